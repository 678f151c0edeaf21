# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings of oCIS with OCIS_ in front, as its documentation lists them for 5.0 to 8.0. Data only.

What belongs to a single service has that service's name in front (PROXY_, STORAGE_USERS_) and is not listed here.
"""

from __future__ import annotations

# Families: what follows may be anything.
FAMILIES = (
    "OCIS_CACHE_", "OCIS_CLAIM_MANAGED_SPACES_", "OCIS_CORS_", "OCIS_DECOMPOSEDFS_", "OCIS_EVENTS_", "OCIS_GRPC_", "OCIS_HTTP_TLS_",
    "OCIS_KEYCLOAK_", "OCIS_LDAP_", "OCIS_LOG_", "OCIS_MFA_", "OCIS_OIDC_", "OCIS_PASSWORD_POLICY_", "OCIS_PERSISTENT_STORE",
    "OCIS_REVA_GATEWAY", "OCIS_RUNTIME_", "OCIS_TRACING_",
)  # fmt: skip
NAMES = frozenset((
    "OCIS_ADD_RUN_SERVICES", "OCIS_ADMIN_USER_ID", "OCIS_ASSET_THEMES_PATH", "OCIS_ASYNC_UPLOADS", "OCIS_BASE_DATA_PATH", "OCIS_CONFIG_DIR",
    "OCIS_DEFAULT_LANGUAGE", "OCIS_DISABLE_PREVIEWS", "OCIS_DISABLE_SSE", "OCIS_DISABLE_VERSIONING", "OCIS_EDITION",
    "OCIS_EMAIL_TEMPLATE_PATH", "OCIS_ENABLE_OCM", "OCIS_ENABLE_RESHARING", "OCIS_EXCLUDE_RUN_SERVICES", "OCIS_FORCE_CONFIG_OVERWRITE",
    "OCIS_GATEWAY_GRPC_ADDR", "OCIS_INSECURE", "OCIS_JWT_SECRET", "OCIS_MACHINE_AUTH_API_KEY", "OCIS_MAX_CONCURRENCY", "OCIS_MAX_TAG_LENGTH",
    "OCIS_RUN_SERVICES", "OCIS_SERVICE_ACCOUNT_ID", "OCIS_SERVICE_ACCOUNT_SECRET", "OCIS_SHARING_PUBLIC_SHARE_MUST_HAVE_PASSWORD",
    "OCIS_SHARING_PUBLIC_WRITEABLE_SHARE_MUST_HAVE_PASSWORD", "OCIS_SHOW_USER_EMAIL_IN_RESULTS", "OCIS_SHUTDOWN_ORDER",
    "OCIS_SPACES_MAX_QUOTA", "OCIS_SYSTEM_USER_API_KEY", "OCIS_SYSTEM_USER_ID", "OCIS_SYSTEM_USER_IDP", "OCIS_TRANSFER_SECRET",
    "OCIS_TRANSLATION_PATH", "OCIS_URL", "OCIS_WOPI_DISABLE_CHAT",
))  # fmt: skip


def is_known(name: str) -> bool:
    """Whether the documentation has a setting of this name, as far as this table tells."""
    return not name.startswith("OCIS_") or name in NAMES or name.startswith(FAMILIES)
