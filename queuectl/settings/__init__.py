"""Every setting: its default, what it accepts, and where its value comes from."""

from queuectl.settings.loading import Loaded, load
from queuectl.settings.model import HandlerSettings, Isolation, QueueSettings, Role, Settings
from queuectl.settings.secrets import in_clear, shown, shown_webhook, without_password

__all__ = [
    "HandlerSettings",
    "Isolation",
    "Loaded",
    "QueueSettings",
    "Role",
    "Settings",
    "in_clear",
    "load",
    "shown",
    "shown_webhook",
    "without_password",
]
