"""課程: what people may learn, and where they do it; what teachers do there."""

from django.urls import path

from ismp.courses import views as course_views
from ismp.courses.classroom import views as classroom_views

app_name = "courses"
urlpatterns = [
    path("mine/", course_views.my_courses, name="my_courses"),
    path("<int:course_id>/", course_views.course, name="course"),
    path("<int:course_id>/enroll/", course_views.enroll, name="enroll"),
    path("<int:course_id>/learn/", course_views.learn, name="learn"),
    path("<int:course_id>/quiz/", course_views.quiz, name="quiz"),
    path("<int:course_id>/learn/<int:material_id>/", course_views.material, name="material"),
    path("<int:course_id>/learn/<int:material_id>/file/", course_views.file, name="file"),
    path("<int:course_id>/learn/<int:material_id>/second/", course_views.bookmark, name="bookmark"),
    path("sessions/<int:session_id>/sign-up/", course_views.sign_up, name="sign_up"),
    path("sessions/<int:session_id>/withdraw/", course_views.withdraw, name="withdraw"),
    path("meetings/<int:meeting_id>/attend/<str:room_code>/", course_views.attend, name="attend"),
    path("teaching/", classroom_views.taught, name="teaching"),
    path("teaching/sessions/<int:session_id>/", classroom_views.session, name="session"),
    path(
        "teaching/sessions/<int:session_id>/file/", classroom_views.from_file, name="session_file"
    ),
    path("teaching/sessions/<int:session_id>/finish/", classroom_views.finish, name="finish"),
    path("teaching/meetings/<int:meeting_id>/room/", classroom_views.room, name="room"),
    path("teaching/meetings/<int:meeting_id>/room/code/", classroom_views.code, name="code"),
]
