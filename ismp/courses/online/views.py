"""Pages on which a course online is put together."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path
from django.views.decorators.http import require_http_methods, require_POST

from ismp.accounts.permissions import needs
from ismp.accounts.roles import Right
from ismp.courses.forms import MaterialForm, QuestionForm, QuizForm
from ismp.courses.models import Course, Kind, Material, Question, Quiz
from ismp.courses.online.actions.authoring import (
    move_up,
    remove_material,
    remove_question,
    save_material,
    save_question,
    save_quiz,
)
from ismp.ui.http.refusals import refusal_shown
from ismp.ui.http.requests import HttpRequest
from ismp.ui.http.uploads import takes_files
from ismp.ui.resources import versions

# --- Pages ---------------------------------------------------------------------------------------

_edits = require_http_methods(["GET", "HEAD", "POST"])


def _course(request: HttpRequest, course_id: int) -> Course:
    user = request.user
    courses = Course.objects.visible_to(user).filter(kind=Kind.ONLINE)
    return get_object_or_404(courses, pk=course_id)


def _courses_of(model: type[Any], pk: int) -> list[int]:
    """The course that a part is of, to be held before the part is read."""
    return list(model.objects.filter(pk=pk).values_list("course", flat=True))


def _part(request: HttpRequest, model: type[Any], pk: int) -> Any:
    user = request.user
    parts = model.objects.filter(course__in=Course.objects.visible_to(user))
    return get_object_or_404(parts.select_related("course"), pk=pk)


def _edited(
    request: HttpRequest,
    form: "forms.ModelForm[Any]",
    course: Course,
    title: str,
    more: dict[str, Any],
) -> HttpResponse:
    context = {"form": form, "course": course, "title": title, **more}
    return render(request, "courses/part_form.html", context)


@takes_files("MATERIAL_MAX_BYTES")
@_edits
@needs(Right.MANAGE_COURSES)
def add_material(request: HttpRequest, online_courses_id: int) -> HttpResponse:
    course, kind = _course(request, online_courses_id), request.GET.get("kind", "page")
    if kind not in Material.Kind.values:
        raise Http404
    return _material(request, Material(course=course, kind=kind))


@takes_files("MATERIAL_MAX_BYTES")
@_edits
@needs(Right.MANAGE_COURSES)
def edit_material(request: HttpRequest, material_id: int) -> HttpResponse:
    with versions.held(request, Course.objects.all(), *_courses_of(Material, material_id)):
        return _material(request, _part(request, Material, material_id))


def _material(request: HttpRequest, material: Material) -> HttpResponse:
    user = request.user
    form, more = versions.returned(request, MaterialForm, material, material.audit_subject)
    if request.method == "POST" and "stale" not in more and form.is_valid():
        file = form.cleaned_data.get("file")
        save_material(form.save(commit=False), file.chunks() if file else None, by=user)
        messages.success(request, f"教材「{material}」已存檔。")
        return redirect("online_courses:page", material.course_id)
    return _edited(request, form, material.course, f"教材（{material.get_kind_display()}）", more)


@require_POST
@needs(Right.MANAGE_COURSES)
def drop_material(request: HttpRequest, material_id: int) -> HttpResponse:
    user = request.user
    material = _part(request, Material, material_id)
    with refusal_shown(request):
        remove_material(material, by=user)
        messages.success(request, f"已刪除教材「{material}」。")
    return redirect("online_courses:page", material.course_id)


@require_POST
@needs(Right.MANAGE_COURSES)
def raise_material(request: HttpRequest, material_id: int) -> HttpResponse:
    user = request.user
    material = _part(request, Material, material_id)
    with refusal_shown(request):
        move_up(material, by=user)
    return redirect("online_courses:page", material.course_id)


@_edits
@needs(Right.MANAGE_COURSES)
def add_question(request: HttpRequest, online_courses_id: int) -> HttpResponse:
    return _question(request, Question(course=_course(request, online_courses_id)))


@_edits
@needs(Right.MANAGE_COURSES)
def edit_question(request: HttpRequest, question_id: int) -> HttpResponse:
    with versions.held(request, Course.objects.all(), *_courses_of(Question, question_id)):
        return _question(request, _part(request, Question, question_id))


def _question(request: HttpRequest, question: Question) -> HttpResponse:
    user = request.user
    form, more = versions.returned(request, QuestionForm, question, question.audit_subject)
    if request.method == "POST" and "stale" not in more and form.is_valid():
        save_question(form.save(commit=False), by=user)
        messages.success(request, "題目已存檔。")
        return redirect("online_courses:page", question.course_id)
    return _edited(request, form, question.course, "題目", more)


@require_POST
@needs(Right.MANAGE_COURSES)
def drop_question(request: HttpRequest, question_id: int) -> HttpResponse:
    user = request.user
    question = _part(request, Question, question_id)
    with refusal_shown(request):
        remove_question(question, by=user)
        messages.success(request, "已刪除題目。")
    return redirect("online_courses:page", question.course_id)


@_edits
@needs(Right.MANAGE_COURSES)
def quiz(request: HttpRequest, online_courses_id: int) -> HttpResponse:
    user = request.user
    with versions.held(request, Course.objects.all(), online_courses_id):
        course = _course(request, online_courses_id)
        quiz = Quiz.objects.filter(course=course).first() or Quiz(course=course)
        form, more = versions.returned(request, QuizForm, quiz, quiz.audit_subject)
        if request.method == "POST" and "stale" not in more and form.is_valid():
            save_quiz(form.save(commit=False), by=user)
            messages.success(request, "測驗設定已存檔。")
            return redirect("online_courses:page", course.pk)
    return _edited(request, form, course, "測驗設定", more)


urlpatterns = [
    path("<int:online_courses_id>/materials/add/", add_material, name="add_material"),
    path("<int:online_courses_id>/questions/add/", add_question, name="add_question"),
    path("<int:online_courses_id>/quiz/", quiz, name="quiz"),
    path("materials/<int:material_id>/edit/", edit_material, name="edit_material"),
    path("materials/<int:material_id>/up/", raise_material, name="raise_material"),
    path("materials/<int:material_id>/remove/", drop_material, name="drop_material"),
    path("questions/<int:question_id>/edit/", edit_question, name="edit_question"),
    path("questions/<int:question_id>/remove/", drop_question, name="drop_question"),
]
