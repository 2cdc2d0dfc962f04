from importlib import import_module

from django.apps import AppConfig, apps
from django.utils.module_loading import module_has_submodule

from ismp.audit import verbs


class AuditConfig(AppConfig):
    name = "ismp.audit"
    label = "audit"
    verbose_name = "稽核軌跡"

    def ready(self) -> None:
        """Collect the verbs of all apps above, from the lowest up."""
        for app in reversed(list(apps.get_app_configs())):
            if app.name != self.name and module_has_submodule(app.module, "verbs"):
                declared = vars(import_module(f"{app.name}.verbs")).values()
                verbs.declare(one for one in declared if isinstance(one, verbs.Verb))
