import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("accounts", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="ImportRun",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "source",
                    models.CharField(
                        choices=[
                            ("file", "匯入"),
                            ("platform", "本平台"),
                            ("external", "外部認列"),
                            ("roster", "名冊"),
                            ("devices", "設備清冊"),
                            ("products", "限制清單"),
                            ("job", "刪除與復原"),
                        ],
                        default="file",
                        max_length=10,
                        verbose_name="來源",
                    ),
                ),
                ("started_by", models.CharField(max_length=150)),
                ("started_by_name", models.CharField(blank=True, max_length=150)),
                ("filename", models.CharField(max_length=255)),
                ("size", models.BigIntegerField(default=0)),
                ("lines", models.PositiveIntegerField(default=0)),
                ("sha256", models.CharField(blank=True, max_length=64)),
                ("dry_run", models.BooleanField(default=False)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("receiving", "接收中"),
                            ("password", "等候密碼"),
                            ("queued", "排隊中"),
                            ("running", "匯入中"),
                            ("completed", "匯入完成"),
                            ("refused", "整檔退回"),
                            ("quarantined", "暫停處理"),
                        ],
                        default="receiving",
                        max_length=20,
                    ),
                ),
                ("reason", models.CharField(blank=True, max_length=500)),
                ("total", models.PositiveIntegerField(default=0)),
                ("created", models.PositiveIntegerField(default=0)),
                ("updated", models.PositiveIntegerField(default=0)),
                ("unchanged", models.PositiveIntegerField(default=0)),
                ("rejected", models.PositiveIntegerField(default=0)),
                ("reasons", models.JSONField(default=dict)),
                ("notes", models.JSONField(default=dict)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("received_at", models.DateTimeField(null=True)),
                ("finished_at", models.DateTimeField(null=True)),
                ("fingerprint", models.CharField(blank=True, max_length=64)),
                ("edition", models.BigIntegerField(default=0)),
                ("attempt", models.PositiveSmallIntegerField(default=0)),
                ("lease_until", models.DateTimeField(null=True)),
                ("progress", models.JSONField(default=dict)),
                ("released_at", models.DateTimeField(null=True)),
                ("undone_at", models.DateTimeField(null=True)),
                ("undone_by", models.CharField(blank=True, max_length=150)),
                ("undo_result", models.JSONField(null=True)),
                (
                    "agency",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="accounts.agency",
                    ),
                ),
                (
                    "same_as",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="imports.importrun",
                    ),
                ),
            ],
            options={
                "ordering": ["-pk"],
                "indexes": [
                    models.Index(fields=["agency", "-id"], name="runs_of_an_agency"),
                    models.Index(
                        condition=models.Q(
                            ("state__in", ["receiving", "password", "queued", "running"])
                        ),
                        fields=["lease_until"],
                        name="runs_under_way",
                    ),
                    models.Index(
                        condition=models.Q(("source__in", ["platform", "external"])),
                        fields=["agency", "finished_at"],
                        name="what_was_credited",
                    ),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "total",
                                django.db.models.expressions.CombinedExpression(
                                    django.db.models.expressions.CombinedExpression(
                                        django.db.models.expressions.CombinedExpression(
                                            models.F("created"), "+", models.F("updated")
                                        ),
                                        "+",
                                        models.F("unchanged"),
                                    ),
                                    "+",
                                    models.F("rejected"),
                                ),
                            )
                        ),
                        name="no_row_of_a_run_is_lost",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "state__in",
                                [
                                    "receiving",
                                    "password",
                                    "queued",
                                    "running",
                                    "completed",
                                    "refused",
                                    "quarantined",
                                ],
                            )
                        ),
                        name="run_state_is_a_known_state",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "source__in",
                                [
                                    "file",
                                    "platform",
                                    "external",
                                    "roster",
                                    "devices",
                                    "products",
                                    "job",
                                ],
                            )
                        ),
                        name="run_source_is_a_known_source",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="RunFile",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("upload", "上傳的檔案"),
                            ("content", "壓縮檔裡的檔案"),
                            ("rows", "每列結果"),
                            ("rejected", "無法匯入的列"),
                            ("waiting", "待認領的列"),
                            ("held", "無變動的紀錄"),
                        ],
                        max_length=10,
                    ),
                ),
                ("number", models.PositiveIntegerField()),
                ("key_version", models.PositiveSmallIntegerField()),
                ("data", models.BinaryField()),
                ("stored_as", models.CharField(blank=True, max_length=32)),
                (
                    "run",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="files",
                        to="imports.importrun",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("stored_as", ""), _negated=True),
                        fields=["stored_as"],
                        name="runfile_in_storage",
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("run", "kind", "number"), name="a_piece_has_one_place_in_its_file"
                    )
                ],
            },
        ),
    ]
