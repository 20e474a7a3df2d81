"""``nova.toml`` as frozen, validated models.

The file is the only place where a user states what exists: the source, the environments in promotion order and the
services. :func:`load_config` reads all of it, reports every fault at once, and nothing below the entry point reads the
file, the environment or a context key again.
"""

from nova_infra.config.delivery import Delivery, GitHubIds, Images, Notifications, Platform, Slack, Source, Toolchain
from nova_infra.config.environment import Domain, Environment, Network, Window
from nova_infra.config.loading import load_config, parse_config
from nova_infra.config.rehearsal.dependency import Dependency, Ready, Rehearsal
from nova_infra.config.root import CONFIG_FILE, Config
from nova_infra.config.services.container import FARGATE_MEMORY_MIB, Health
from nova_infra.config.services.runtime import Rollout, Runtime, Scaling
from nova_infra.config.services.service import Overrides, Service
from nova_infra.config.services.surroundings import Login, Permission, Secret, Sidecar
from nova_infra.config.services.web import Targets, Thresholds
from nova_infra.config.services.worker import Queue
from nova_infra.config.values.fields import aws_regions
from nova_infra.config.wording import shortened

__all__ = [
    "CONFIG_FILE",
    "FARGATE_MEMORY_MIB",
    "Config",
    "Delivery",
    "Dependency",
    "Domain",
    "Environment",
    "GitHubIds",
    "Health",
    "Images",
    "Login",
    "Network",
    "Notifications",
    "Overrides",
    "Permission",
    "Platform",
    "Queue",
    "Ready",
    "Rehearsal",
    "Rollout",
    "Runtime",
    "Scaling",
    "Secret",
    "Service",
    "Sidecar",
    "Slack",
    "Source",
    "Targets",
    "Thresholds",
    "Toolchain",
    "Window",
    "aws_regions",
    "load_config",
    "parse_config",
    "shortened",
]
