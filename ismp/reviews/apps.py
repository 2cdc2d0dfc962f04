from django.apps import AppConfig


class ReviewsConfig(AppConfig):
    name = "ismp.reviews"
    label = "reviews"
    verbose_name = "機關審核作業"
