"""Every setting: its default, what it accepts, and where its value comes from."""

from queuectl.settings.loading import Loaded, load
from queuectl.settings.model import HandlerSettings, Isolation, QueueSettings, Settings
from queuectl.settings.secrets import shown, without_password

__all__ = [
    "HandlerSettings",
    "Isolation",
    "Loaded",
    "QueueSettings",
    "Settings",
    "load",
    "shown",
    "without_password",
]
