"""線上課程 and 實體課程: what an agency or the platform offers, and who learns there.

Knows people (`ismp.accounts`); hours that were earned go to `ismp.hours` by an action.

`courses`     課程 as announced, of either kind
`online`      線上課程: materials and their files, quizzes, enrolments, progress, attempts
`classroom`   實體課程: sessions (期), meetings, sign-ups, attendance
`teachers`    教師 and their certificates
`uploads`     what was handed to the national portal, in batches
`learners`    what the two ways of learning share; what a completion earned, fixed with it
"""

from ismp.courses.models.classroom import (
    HOLDING,
    Attendance,
    Meeting,
    Phase,
    Session,
    SessionState,
    SignUp,
    Standing,
)
from ismp.courses.models.courses import Course, CourseState, Kind
from ismp.courses.models.learners import Category, Completion, Way
from ismp.courses.models.online import (
    Attempt,
    Enrollment,
    Material,
    MaterialPiece,
    Progress,
    Question,
    Quiz,
)
from ismp.courses.models.teachers import Teacher, TeacherCertificate
from ismp.courses.models.uploads import PortalUpload, UploadedHours, UploadPiece

__all__ = [
    "HOLDING",
    "Attempt",
    "Attendance",
    "Category",
    "Completion",
    "Course",
    "CourseState",
    "Enrollment",
    "Kind",
    "Material",
    "MaterialPiece",
    "Meeting",
    "Phase",
    "PortalUpload",
    "Progress",
    "Question",
    "Quiz",
    "Session",
    "SessionState",
    "SignUp",
    "Standing",
    "Teacher",
    "TeacherCertificate",
    "UploadPiece",
    "UploadedHours",
    "Way",
]
