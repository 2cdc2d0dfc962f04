"""課程: what people may learn, and where they do it; what teachers do there."""

from django.urls import path

from ismp.courses import teaching, views

app_name = "courses"
urlpatterns = [
    path("mine/", views.mine, name="mine"),
    path("<int:course_id>/", views.course, name="course"),
    path("<int:course_id>/enroll/", views.enroll, name="enroll"),
    path("<int:course_id>/learn/", views.learn, name="learn"),
    path("<int:course_id>/quiz/", views.quiz, name="quiz"),
    path("<int:course_id>/learn/<int:material_id>/", views.material, name="material"),
    path("<int:course_id>/learn/<int:material_id>/file/", views.file, name="file"),
    path("<int:course_id>/learn/<int:material_id>/second/", views.bookmark, name="bookmark"),
    path("sessions/<int:session_id>/sign-up/", views.sign_up, name="sign_up"),
    path("sessions/<int:session_id>/withdraw/", views.withdraw, name="withdraw"),
    path("meetings/<int:meeting_id>/attend/<str:room_code>/", views.attend, name="attend"),
    path("teaching/", teaching.taught, name="teaching"),
    path("teaching/sessions/<int:session_id>/", teaching.session, name="session"),
    path("teaching/sessions/<int:session_id>/file/", teaching.from_file, name="session_file"),
    path("teaching/sessions/<int:session_id>/finish/", teaching.finish, name="finish"),
    path("teaching/meetings/<int:meeting_id>/room/", teaching.room, name="room"),
    path("teaching/meetings/<int:meeting_id>/room/code/", teaching.code, name="code"),
]
