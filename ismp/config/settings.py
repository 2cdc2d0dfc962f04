"""Settings, all from the environment, each with a safe default.

`ISMP_HOME` is the only folder the platform writes to: database, keys, collected static
files, cache.  No secret stands here; secrets are in the key ring (`ismp.storage.keyring`).
"""

import logging
import os
from datetime import timedelta
from importlib.metadata import version
from ipaddress import ip_network
from typing import Any, cast

import dj_database_url
from csp.constants import NONE, SELF
from django.utils.functional import SimpleLazyObject

from ismp.config import home
from ismp.errors import SettingRefused
from ismp.storage.keyring import FILE_NAME, KeyRing
from ismp.storage.sqlite import connection_options

VERSION = version("ismp")
"""Of the platform; its one place is pyproject.toml."""

_FLAGS = {"1": True, "true": True, "yes": True, "on": True}
_FLAGS |= {"0": False, "false": False, "no": False, "off": False, "": False}


def _flag(name: str, default: bool) -> bool:
    given = os.environ.get(name, str(int(default))).strip().lower()
    if given not in _FLAGS:
        raise SettingRefused(f"設定 {name} 只能是 1 或 0，現在是「{given}」；請更正。")
    return _FLAGS[given]


def _number(name: str, default: int, least: int = 0, most: int | None = None) -> int:
    """A whole number in ASCII digits."""
    given = os.environ.get(name, str(default)).strip()
    number = int(given) if given.isascii() and given.isdecimal() and len(given) < 19 else -1
    if number < least or (most is not None and number > most):
        bounds = f"{least} 到 {most} 的" if most is not None else f"{least} 以上的"
        raise SettingRefused(f"設定 {name} 要是{bounds}整數，現在是「{given}」；請更正。")
    return number


def _one_of(name: str, default: str, *choices: str) -> str:
    given = os.environ.get(name, default)
    if given not in choices:
        raise SettingRefused(
            f"設定 {name} 只能是 {'、'.join(choices)}，現在是「{given}」；請更正。"
        )
    return given


def _words(name: str, default: str) -> list[str]:
    return [word.strip() for word in os.environ.get(name, default).split(",") if word.strip()]


def _origins(name: str) -> list[str]:
    origins = _words(name, "")
    if wrong := [one for one in origins if not one.startswith(("http://", "https://"))]:
        raise SettingRefused(f"設定 {name} 要以 https:// 開頭，現在有「{wrong[0]}」；請更正。")
    return origins


def _networks(name: str) -> list[str]:
    """Addresses or networks (10.0.0.0/8), in their shortest form."""
    try:
        return [str(ip_network(one, strict=False)) for one in _words(name, "")]
    except ValueError as error:
        wrong = str(error).split(" ")[0]
        raise SettingRefused(
            f"設定 {name} 要是位址或網段，例如 10.0.0.0/8，現在有 {wrong}；請更正。"
        ) from None


def _database(name: str, default: str | None = None) -> dict[str, Any]:
    """Connection of DATABASE_URL's form; the address may hold a password and is not repeated."""
    wanted = f"設定 {name} 要寫成 postgres://使用者:密碼@主機:埠號/資料庫 或 sqlite:///檔案"
    if os.environ.get(name, default or "").split(":")[0] not in {
        "postgres",
        "postgresql",
        "sqlite",
    }:
        raise SettingRefused(f"{wanted}；請更正，或不要設定。")
    try:
        return dict(dj_database_url.config(name, default, conn_max_age=60, conn_health_checks=True))
    except Exception:  # what it may raise is not documented
        raise SettingRefused(f"{wanted}；請更正（密碼裡的特殊字元要用 % 編碼）。") from None


def _keys() -> KeyRing:
    try:
        return KeyRing.open(ISMP_HOME)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SettingRefused(
            f"金鑰檔 {ISMP_HOME / FILE_NAME} 不能使用（{type(error).__name__}）；"
            "請檢查擁有者與權限，或從另外保管的副本放回。"
        ) from None


# --- Where we live -----------------------------------------------------------------------
DEBUG = _flag("ISMP_DEBUG", False)
"""For developers only: errors show the program, and the home is one of the checkout's own."""
ISMP_HOME = home.find(debug=DEBUG)
ISMP_PORT = _number("ISMP_PORT", 8000, 1, 65535)
"""Port of the web server."""
WEB_PROCESSES = _number("ISMP_WEB_PROCESSES", 1, 1, 256)
"""Processes of the web server.  Each keeps one core busy at most; as many as the machine has cores,
where it does nothing else."""
WEB_THREADS = _number("ISMP_WEB_THREADS", 32, 1, 1024)
"""Threads of each process.  An upload or an export keeps one for as long as the person's line
takes."""
STOP_SECONDS = _number("ISMP_STOP_SECONDS", 60)
"""How long `serve`, told to stop, lets uploads and imports finish that have begun."""
ISMP_HOST = os.environ.get("ISMP_HOST", "127.0.0.1")
"""Address that the web server listens on; `0.0.0.0` where a proxy is on another host."""
# Opened, and on the first run made, when a key is needed: reading the settings writes nothing.
KEYS = cast(KeyRing, SimpleLazyObject(_keys))
SECRET_KEY = SimpleLazyObject(lambda: KEYS.secret_key)
TEMPORARY = home.temporary(ISMP_HOME)
BEHIND_TLS = _flag("ISMP_HTTPS", False)
"""Whether browsers reach us by https (a proxy in front); turns on secure cookies and HSTS."""
if DEBUG and BEHIND_TLS:
    raise SettingRefused(
        "ISMP_DEBUG=1 只供開發使用，錯誤畫面會顯示程式與設定，不能和 ISMP_HTTPS=1 一起使用；"
        "請移除 ISMP_DEBUG。"
    )
PROXIES = _networks("ISMP_PROXIES")
"""Networks of our own proxies, whose word on the client's address counts (`audit.origin`); without
any, with ISMP_HTTPS=1, every private network."""
ALLOWED_HOSTS = _words("ISMP_ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]")
"""Names and addresses by which browsers may ask for the site."""
CSRF_TRUSTED_ORIGINS = _origins("ISMP_TRUSTED_ORIGINS")
"""Further addresses (`https://…`) whose forms are taken, where a proxy changes the name."""

IMPORT_LEASE_SECONDS = _number("ISMP_IMPORT_LEASE_SECONDS", 60)
"""How long a worker may be silent before another takes its import over."""

# --- The database ------------------------------------------------------------------------
DATABASES = {"default": _database("DATABASE_URL", f"sqlite:///{ISMP_HOME / 'ismp.sqlite3'}")}
"""Where the data is: `postgres://user:password@host:port/name`, or `sqlite:///file`; characters
with a meaning in addresses are written in `%` codes."""
ON_SQLITE = str(DATABASES["default"]["ENGINE"]).endswith("sqlite3")
if ON_SQLITE:
    DATABASES["default"]["OPTIONS"] = connection_options()
else:
    # No compiling of queries: it takes longer than ours do.  A paused process that holds a lock
    # loses it when a running import would lose its lease.
    DATABASES["default"].setdefault("OPTIONS", {})["options"] = (
        f"-c jit=off -c idle_in_transaction_session_timeout={IMPORT_LEASE_SECONDS * 1000}"
    )
PAGE_STATEMENT_SECONDS = _number("ISMP_PAGE_STATEMENT_SECONDS", 60)
"""How long one statement of a page may take on PostgreSQL (`ismp.config.wsgi`); 0 ends none."""
if "DATABASE_REPLICA_URL" in os.environ:
    DATABASES["replica"] = _database("DATABASE_REPLICA_URL")
    """A read-only replica of it, for lists and downloads; without it all is read from the one."""
    DATABASES["replica"].setdefault("OPTIONS", {})["connect_timeout"] = 2
REPLICA_LAG_SECONDS = _number("ISMP_REPLICA_LAG_SECONDS", 30)
"""How far behind a list may be that is read from the replica, for what others did."""
DATABASE_ROUTERS = ["ismp.storage.replica.Router"]
SILENCED_SYSTEM_CHECKS = [
    "auth.W004",  # usernames are unique, by a constraint that also ignores their case
    "security.W004",  # HSTS, redirect and secure cookies come with ISMP_HTTPS=1
    "security.W008",
    "security.W012",
    "security.W016",
]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
# Only the progress of imports on SQLite goes through it.  Never a table: who can write to the
# database must not have objects unpickled by us.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.filebased.FileBasedCache",
        "LOCATION": ISMP_HOME / "cache",
    }
}

# --- The house ---------------------------------------------------------------------------
INSTALLED_APPS = [
    "ismp.operations",
    "ismp.portal",
    "ismp.reviews",
    "ismp.assignments",
    "ismp.external_hours",
    "ismp.compliance",
    "ismp.security",
    "ismp.courses",
    "ismp.hours",
    "ismp.imports",
    "ismp.applications",
    "ismp.notifications",
    "ismp.accounts",
    "ismp.ui",
    "ismp.audit",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django_htmx",
    "axes",
    "csp",
    "django_tasks",
    "django_tasks_db",
]
MIDDLEWARE = [
    "ismp.operations.monitoring.requests.Requests",
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "ismp.ui.http.middleware.PageCompression",
    "ismp.ui.http.middleware.ReferenceMiddleware",
    "ismp.ui.http.once.Answers",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "ismp.storage.replica.ActionMiddleware",
    "ismp.audit.event_cache.EventCacheMiddleware",
    "django.middleware.common.CommonMiddleware",
    "ismp.ui.http.uploads.BodyLimitMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "ismp.accounts.sign_in.middleware.IdleMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "axes.middleware.AxesMiddleware",
    "ismp.ui.http.once.Claims",
    "ismp.ui.http.middleware.DeadlockRetry",
]
ROOT_URLCONF = "ismp.config.urls"
WSGI_APPLICATION = "ismp.config.wsgi.application"
_LOADERS: list[Any] = [
    ("django.template.loaders.cached.Loader", ["ismp.ui.compact_templates.Loader"])
]
if DEBUG:  # error pages show the line as it stands in the file
    _LOADERS = ["django.template.loaders.app_directories.Loader"]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "OPTIONS": {
            "loaders": _LOADERS,
            "builtins": ["ismp.ui.templatetags.components", "ismp.ui.templatetags.once"],
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "ismp.accounts.sign_in.context_processors.signed_in",
                "ismp.notifications.context_processors.waiting",
                "ismp.reviews.context_processors.waiting",
                "ismp.portal.menus.managing",
                "ismp.portal.menus.site",
            ],
        },
    }
]
LANGUAGE_CODE = "zh-hant"
TIME_ZONE = "Asia/Taipei"
USE_TZ = True
STATIC_URL = "static/"
STATIC_ROOT = ISMP_HOME / "static"
STATICFILES_FINDERS = [
    "django.contrib.staticfiles.finders.AppDirectoriesFinder",
    "ismp.ui.site_stylesheet.Finder",
]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
TASKS = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}}

# --- Signing in --------------------------------------------------------------------------
AUTH_USER_MODEL = "accounts.Account"
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "ismp.accounts.sign_in.backends.AccountBackend",
]
PASSWORD_HASHERS = ["ismp.accounts.sign_in.hashers.Argon2id"]
_VALIDATION = "django.contrib.auth.password_validation"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"{_VALIDATION}.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": f"{_VALIDATION}.UserAttributeSimilarityValidator"},
    {"NAME": f"{_VALIDATION}.CommonPasswordValidator"},
]
LOGIN_URL = "accounts:login"
LOGIN_REDIRECT_URL = "portal:home"
LOGOUT_REDIRECT_URL = "accounts:login"
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = timedelta(minutes=15)  # 附表十 control 40
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_HANDLER = "ismp.accounts.sign_in.lockout.Handler"
AXES_LOCKOUT_CALLABLE = "ismp.accounts.sign_in.views.locked"
AXES_CLIENT_IP_CALLABLE = "ismp.audit.origin.client_address"
AXES_ENABLE_ADMIN = False
AXES_DISABLE_ACCESS_LOG = True
AXES_VERBOSE = False
SIGN_IN_FAILURES_OF_ACCOUNT = _number("ISMP_SIGN_IN_FAILURES_OF_ACCOUNT", 50)
"""How often an account may fail from all addresses together; then only those from which it has
signed in before are let in for 15 minutes."""
SIGN_IN_ACCOUNTS_OF_ADDRESS = _number("ISMP_SIGN_IN_ACCOUNTS_OF_ADDRESS", 30)
"""How many accounts may stand failed from one address within 5 minutes; five times as many for
those who have signed in from there before."""
RESET_CODE_MINUTES = _number("ISMP_RESET_CODE_MINUTES", 60)
"""How long a one-time code for a new password is good for."""
RESET_MAIL_MINUTES = _number("ISMP_RESET_MAIL_MINUTES", 24 * 60)
"""The same of a code that was mailed: people read their letters later than they answer a call."""
RESET_WAIT_DAYS = _number("ISMP_RESET_WAIT_DAYS", 7)
"""How long a 重設密碼 waits for a second person before it is closed."""
APPLICATIONS_PER_HOUR = _number("ISMP_APPLICATIONS_PER_HOUR", 20)
"""How many 帳號申請 with one national ID for one agency a network address may send within an hour:
whoever sends it again and again stops nobody but himself."""
APPLICATIONS_OF_AGENCY_PER_HOUR = _number("ISMP_APPLICATIONS_OF_AGENCY_PER_HOUR", 60)
"""How many for one agency, of all people: an office sits behind one address."""
APPLICATIONS_OF_ADDRESS_PER_HOUR = _number("ISMP_APPLICATIONS_OF_ADDRESS_PER_HOUR", 200)
"""How many for all agencies together: many agencies may share one address."""
APPLICATIONS_WAIT_DAYS = _number("ISMP_APPLICATIONS_WAIT_DAYS", 30)
"""How long a 帳號申請 waits for a decision before it is closed, and its national ID forgotten."""
APPLICATIONS_KEPT_DAYS = _number("ISMP_APPLICATIONS_KEPT_DAYS", 400)
"""How long a decided 帳號申請 is kept, without the national ID."""
REVIEW_DAYS = {
    "application": _number("ISMP_REVIEW_DAYS_APPLICATION", 3),
    "transfer": _number("ISMP_REVIEW_DAYS_TRANSFER", 7),
    "identities": _number("ISMP_REVIEW_DAYS_IDENTITIES", 7),
    "person": _number("ISMP_REVIEW_DAYS_PERSON", 7),
    "exception": _number("ISMP_REVIEW_DAYS_EXCEPTION", 7),
    "claim": _number("ISMP_REVIEW_DAYS_CLAIM", 7),
    "sign_up": _number("ISMP_REVIEW_DAYS_SIGN_UP", 3),
    "reset": _number("ISMP_REVIEW_DAYS_RESET", 1),
}
"""Within how many days each kind is to be decided in 機關審核作業."""
IDLE_SECONDS = _number("ISMP_IDLE_SECONDS", 20 * 60)
"""How long a session lasts without a click."""
SESSION_ENGINE = "ismp.accounts.sign_in.sessions"
SESSION_COOKIE_AGE = SESSION_SECONDS = _number("ISMP_SESSION_SECONDS", 12 * 60 * 60)
"""How long a session lasts from signing in on, whatever happens in it."""
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_EXPIRE_AT_BROWSER_CLOSE = True

# --- E-mail: digests of notices; without a server none are sent ------------------------------
EMAIL_HOST = os.environ.get("ISMP_SMTP_HOST", "")
"""Server that digests and one-time codes are sent by; without one no mail is sent."""
EMAIL_PORT = _number("ISMP_SMTP_PORT", 25)
"""Port of the mail server."""
EMAIL_HOST_USER = os.environ.get("ISMP_SMTP_USER", "")
"""Whom the mail server knows us as; without it nobody signs in there."""
EMAIL_HOST_PASSWORD = os.environ.get("ISMP_SMTP_PASSWORD", "")
"""The password for it."""
EMAIL_USE_TLS = _flag("ISMP_SMTP_STARTTLS", False)
"""Whether mail is sent by STARTTLS."""
EMAIL_TIMEOUT = 20
DEFAULT_FROM_EMAIL = os.environ.get("ISMP_MAIL_FROM", "ismp@localhost")
"""Sender of all mail."""
SITE_URL = os.environ.get("ISMP_SITE_URL", "").rstrip("/")
"""Where people reach this site (`https://ismp.example`), for links in e-mails."""
DIGEST_HOUR = _number("ISMP_DIGEST_HOUR", 8)
"""The hour of the day, in Taiwan, from which on digests of notices are sent."""
ADVISORY_REMIND_DAYS = _number("ISMP_ADVISORY_REMIND_DAYS", 3)
"""How many days before its deadline those are reminded who have not answered an advisory."""
INVENTORY_REMIND_DAYS = _number("ISMP_INVENTORY_REMIND_DAYS", 7)
"""The same of those who have not signed the inventory of the year."""
EXCEPTION_REMIND_DAYS = _number("ISMP_EXCEPTION_REMIND_DAYS", 30)
"""The same of those whose exception for a device ends."""
DEVICE_DECISION_YEARS = _number("ISMP_DEVICE_DECISION_YEARS", 3)
"""For how many years one decision may keep a restricted device, or put off its retirement."""
REPORT_EXTENSION_DAYS = _number("ISMP_REPORT_EXTENSION_DAYS", 180)
"""How far beyond its legal limit the final report of an incident may be extended."""
HELP_DESK = os.environ.get("ISMP_HELP_DESK", "分機 8500")
"""How people reach the help desk by telephone, as it stands at the foot of each page."""

# --- What the browser may do -------------------------------------------------------------
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "media-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
    }
}
SECURE_REDIRECT_EXEMPT = [
    r"^healthz$",
    r"^readyz$",
    r"^metrics$",
]  # asked from inside, past the proxy
SYSLOG = os.environ.get("ISMP_SYSLOG", "")
"""Where the worker sends anchors of the audit trail: `/dev/log`, `host:port` (UDP), `tcp://host:port`."""
BACKUP_RECIPIENTS = _words("ISMP_BACKUP_RECIPIENTS", "")
"""Public keys (`age1…`, or `ssh-ed25519 …`) for which `backup` encrypts; separated by commas."""
SECURITY_CONTACT = os.environ.get("ISMP_SECURITY_CONTACT", "")
"""Who is told about a weakness (`mailto:…`, `https://…`): `/.well-known/security.txt`, RFC 9116."""
METRICS_TOKEN = os.environ.get("ISMP_METRICS_TOKEN", "")
"""What monitoring sends as bearer token to read `/metrics`; without it there is no such page."""
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
CSRF_COOKIE_HTTPONLY = False  # the upload script reads the token from the form, not from here
CSRF_FAILURE_VIEW = "ismp.ui.http.error_pages.csrf_failure"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = BEHIND_TLS
if BEHIND_TLS:
    # Browsers take a cookie of such a name from this host by TLS only, from no sister domain.
    SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = "__Host-sessionid", "__Host-csrftoken"
SECURE_SSL_REDIRECT = BEHIND_TLS and _flag("ISMP_SSL_REDIRECT", True)
"""Whether a request by http is sent on to https; 0 where the proxy does that."""
SECURE_HSTS_SECONDS = 31_536_000 if BEHIND_TLS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = BEHIND_TLS
if BEHIND_TLS:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

# --- Limits of an import (docs/explain/laws.md), each with a sentence of its own -----------------
UPLOAD_MAX_BYTES = _number("ISMP_UPLOAD_MAX_MB", 256) * 1024 * 1024
"""How large a file of hours, a roster or an inventory may be, unpacked."""
UPLOAD_MAX_ROWS = _number("ISMP_UPLOAD_MAX_ROWS", 1_000_000)
"""How many rows it may have."""
UPLOAD_MAX_COLUMNS = _number("ISMP_UPLOAD_MAX_COLUMNS", 60)
"""How many columns it may have."""
UPLOAD_MAX_CELL = _number("ISMP_UPLOAD_MAX_CELL", 2_000)
"""How many characters a cell of it may have."""
FILE_UPLOAD_HANDLERS = ["ismp.ui.http.uploads.RefusingUploadHandler"]
INTELLIGENCE_MAX_BYTES = 64 * 1024 * 1024
INTELLIGENCE_AT_ONCE_BYTES = 1024 * 1024
"""Larger files of intelligence are read by the worker, not within the request."""
TABLE_MAX_BYTES = 16 * 1024 * 1024
"""Of a file that is read within the request, such as the scores of a class."""
MATERIAL_MAX_BYTES = _number("ISMP_MATERIAL_MAX_MB", 512) * 1024 * 1024
"""How large a file of 教材 may be."""
CERTIFICATE_MAX_BYTES = _number("ISMP_CERTIFICATE_MAX_MB", 5) * 1024 * 1024
"""Of a certificate with which somebody claims hours; it is held in memory while it comes in."""
CERTIFICATES_KEPT_DAYS = _number("ISMP_CERTIFICATES_KEPT_DAYS", 1_095)
"""How long the certificate of a decided claim is kept: hours count for two years, and an audit
looks back at the year before."""
UPLOAD_KEPT_DAYS = _number("ISMP_UPLOAD_KEPT_DAYS", 30)
"""How long uploaded files, each row's result and 無法匯入資料 are kept."""
WAITING_KEPT_DAYS = _number("ISMP_WAITING_KEPT_DAYS", 400)
"""How long rows without an account wait for their person to come (待認領時數)."""
DIRECT_ROWS = _number("ISMP_DIRECT_ROWS", 5_000)
"""刪除, 還原 and 復原 of more records than this are jobs of the worker."""
DELETED_KEPT_DAYS = _number("ISMP_DELETED_KEPT_DAYS", 30)
"""How long 刪除時數 may be restored; the rows stay, for what was known then."""
IMPORT_ATTEMPTS = _number("ISMP_IMPORT_ATTEMPTS", 3)
"""How often an import is begun before its file is set aside as one that breaks workers."""
S3_BUCKET = os.environ.get("ISMP_S3_BUCKET", "")
"""Bucket of S3-compatible storage for the encrypted pieces of uploads and results; without one they
lie in the database."""
S3_ENDPOINT = os.environ.get("ISMP_S3_ENDPOINT", "")
"""Address of that storage, where it is not Amazon's."""
DATA_UPLOAD_MAX_NUMBER_FIELDS = 2_000  # 200 ticked rows and the query; not files

# --- Logs: who and what by number, never a name or an ID -----------------------------------
LOG_FORMAT = _one_of("ISMP_LOG_FORMAT", "line", "line", "json")
"""`line` for eyes, of what is wrong; `json` for programs, of each request and each import too."""
_LEVELS = tuple(logging.getLevelNamesMapping())
_LEVEL = _one_of("ISMP_LOG_LEVEL", "INFO" if LOG_FORMAT == "json" else "WARNING", *_LEVELS)
"""What is logged at all: `DEBUG`, `INFO`, `WARNING`, `ERROR` or `CRITICAL`."""
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "()": "ismp.accounts.national_id.log_masking.MaskingFormatter",
            "format": "%(asctime)s %(levelname)s %(name)s %(message)s",
        },
        "json": {"()": "ismp.accounts.national_id.log_masking.JsonFormatter"},
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": LOG_FORMAT}},
    "root": {"handlers": ["stderr"], "level": _one_of("ISMP_LOG_LEVEL", "WARNING", *_LEVELS)},
    "loggers": {
        "ismp": {"level": _LEVEL},
        "django.request": {
            "level": "ERROR"
        },  # of the rest our error page tells, without an address
    },
}
