"""Rehearse an app of many services, and say how long that takes and how much memory.

``python scripts/bench_many.py 45`` has 45 of them. The app is written to a temporary directory: one stack with a load
balancer and the services, two environments, CDK Pipelines. Each service is a program of a few lines, run from its
sources.
"""

import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[1]
LIMIT_SECONDS, LIMIT_MIB = 600, 8192
APP = """
import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2, aws_ecs as ecs, aws_elasticloadbalancingv2 as elb, aws_iam as iam, pipelines

COUNT = {count}

class Services(cdk.Stack):
    def __init__(self, scope, construct_id):
        super().__init__(scope, construct_id)
        vpc = ec2.Vpc(self, "Network", max_azs=2, nat_gateways=1)
        cluster = ecs.Cluster(self, "Cluster", vpc=vpc)
        balancer = elb.ApplicationLoadBalancer(self, "Balancer", vpc=vpc, internet_facing=True)
        listener = balancer.add_listener("Web", port=80, default_action=elb.ListenerAction.fixed_response(404))
        role = iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("ecs-tasks.amazonaws.com"))
        for number in range(1, COUNT + 1):
            task = ecs.FargateTaskDefinition(self, f"Task{{number}}", execution_role=role, task_role=role)
            image, ports = ecs.ContainerImage.from_asset("service"), [ecs.PortMapping(container_port=80)]
            task.add_container("web", image=image, environment={{"GREETING": "hello"}}, port_mappings=ports)
            service = ecs.FargateService(self, f"Service{{number}}", cluster=cluster, task_definition=task,
                                         min_healthy_percent=100)
            listener.add_targets(f"Targets{{number}}", port=80, targets=[service], priority=number,
                                 conditions=[elb.ListenerCondition.path_patterns([f"/service-{{number}}/*"])])

class Environment(cdk.Stage):
    def __init__(self, scope, construct_id):
        super().__init__(scope, construct_id)
        Services(self, "Services")

app = cdk.App()
delivery = cdk.Stack(app, "Delivery")
connection = "arn:aws:codeconnections:eu-west-1:123456789012:connection/11111111-1111-4111-8111-111111111111"
source = pipelines.CodePipelineSource.connection("example/many", "main", connection_arn=connection)
synth = pipelines.ShellStep("Synth", input=source, commands=["true"])
pipeline = pipelines.CodePipeline(delivery, "Pipeline", synth=synth)
for name in ("Test", "Production"):
    pipeline.add_stage(Environment(app, name))
app.synth()
"""


def watch(process: subprocess.Popen[bytes], peak: list[float]) -> None:
    """Note the most that a process and its descendants hold, in MiB; pages that they share count for each."""
    while process.poll() is None:
        held = 0
        try:
            for each in (found := psutil.Process(process.pid), *found.children(recursive=True)):
                held += each.memory_info().rss
        except psutil.Error:
            pass  # One of them has ended meanwhile.
        peak[0] = max(peak[0], held / 2**20)
        time.sleep(0.5)


def main() -> int:
    """Rehearse it once."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 45
    with tempfile.TemporaryDirectory() as directory:
        Path(directory, "app.py").write_text(APP.format(count=count), encoding="utf-8")
        Path(directory, "cdk.json").write_text("{}\n", encoding="utf-8")
        shutil.copytree(ROOT / "examples" / "rehearse-any-app" / "service", Path(directory, "service"))
        python = shlex.quote(sys.executable)
        words = ["nova", "rehearse", "--approve", "--tasks", "sources", "--app", f"{python} app.py"]
        began, peak = time.monotonic(), [0.0]
        log = Path(directory, "log")
        with log.open("wb") as output, subprocess.Popen(words, cwd=directory, stdout=output, stderr=output) as process:
            watching = threading.Thread(target=watch, args=(process, peak))
            watching.start()
            code = process.wait()
            watching.join()
        seconds = time.monotonic() - began
        if code:
            print(log.read_text(encoding="utf-8", errors="replace")[-2000:])
    limits = f"at most {LIMIT_SECONDS} s and {LIMIT_MIB} MiB"
    print(f"{count} services rehearsed in {seconds:.0f} s, holding {peak[0]:.0f} MiB ({limits})")
    return int(bool(code) or seconds > LIMIT_SECONDS or peak[0] > LIMIT_MIB)


if __name__ == "__main__":
    sys.exit(main())
