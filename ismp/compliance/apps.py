from django.apps import AppConfig


class ComplianceConfig(AppConfig):
    name = "ismp.compliance"
    label = "compliance"
    verbose_name = "學習地圖"

    def ready(self) -> None:
        from ismp.imports import kinds  # noqa: PLC0415 (no models before)
        from ismp.imports.models import Source  # noqa: PLC0415

        kinds.show_within(Source.FILE, "compliance:effect")
