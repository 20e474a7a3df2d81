"""Services that are not built on the kit: what ``nova service add --template`` writes is complete and checked."""

import contextlib
import json
import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import click
import psutil
import pytest

from helpers.exhaustive import one_of_each
from nova_infra.cli.commands import project as commands
from nova_infra.config import load_config
from nova_infra.images.tags import image_sources
from nova_infra.scaffold.editing.services import (
    TEMPLATES,
    add_service,
    other_files,
    remove_service,
    rename_service,
)

ROOT = Path(__file__).parents[4]
NAME = "un-heard"
OTHERS = [template for template in TEMPLATES if template != "python"]


def test_the_command_offers_every_template() -> None:
    [option] = [each for each in commands.add.params if each.name == "template"]
    assert isinstance(option.type, click.Choice)
    assert set(option.type.choices) == set(TEMPLATES)


@pytest.fixture
def project(example: Path, tmp_path: Path) -> Path:
    shutil.copytree(example, tmp_path, dirs_exist_ok=True)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def run(*command: str, directory: Path) -> str:
    result = subprocess.run(command, cwd=directory, check=False, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.mark.parametrize("template", one_of_each(OTHERS))
def test_it_may_have_the_name_of_a_python_module(project: Path, template: str) -> None:
    add_service(project, "json", "Says hello to everybody.", template)
    rename_service(project, "json", "test")
    assert not load_config(project).service("test").kit


@pytest.mark.parametrize("template", one_of_each(OTHERS))
def test_it_is_a_service_of_its_own_directory(project: Path, template: str) -> None:
    written = add_service(project, NAME, "Says hello to everybody.", template)
    config = load_config(project)
    assert not config.service(NAME).kit
    assert {Path(path).parts[:2] for path in written if path != "nova.toml"} == {("services", NAME)}
    [source] = image_sources(project, config, [NAME])
    assert source.dockerfile_path == "Dockerfile"
    assert {f"services/{NAME}/{file.path}" for file in source.files} == set(written) - {"nova.toml"}
    texts = "".join((project / path).read_text() for path in written)
    assert NAME in texts
    assert not any(word in texts for word in ("@name@", "@summary@", "@module@"))


@pytest.mark.parametrize("template", one_of_each(OTHERS))
def test_its_dockerfile_passes_the_linter_and_runs_as_nobody(project: Path, template: str) -> None:
    add_service(project, NAME, "Says hello to everybody.", template)
    dockerfile = project / "services" / NAME / "Dockerfile"
    run("hadolint", str(dockerfile), directory=ROOT)
    *_, user = [line.split()[1] for line in dockerfile.read_text().splitlines() if line.startswith("USER ")]
    assert user == "10001:10001"


@pytest.mark.parametrize("name", ["a", NAME, "a-name-of-many-words"])
def test_no_column_of_what_is_written_for_go_is_as_wide_as_the_name(name: str) -> None:
    """gofmt lines the values of keys up, so that a column with the name in it is right for only one length."""
    for path, text in other_files("go", name, "Says hello to everybody.").items():
        lined_up = [line for line in text.splitlines() if re.search(r"[:,] {2,}\S", line)]
        assert not any(f'"/{name}' in line or '"/health"' in line for line in lined_up), path


@pytest.mark.exhaustive("test_it_may_have_the_name_of_a_python_module")
def test_what_is_written_for_node_passes_its_own_tests(project: Path) -> None:
    add_service(project, NAME, "Says hello to everybody.", "node")
    assert "# pass 3" in run("node", "--test", "--test-reporter=tap", directory=project / "services" / NAME)


def test_the_first_process_of_the_dockerfile_s_container_ends_on_its_stop_signal(project: Path, tmp_path: Path) -> None:
    add_service(project, NAME, "Says hello to everybody.", "dockerfile")
    [command] = [
        json.loads(line.removeprefix("CMD "))
        for line in (project / "services" / NAME / "Dockerfile").read_text().splitlines()
        if line.startswith("CMD ")
    ]
    program = tmp_path / "bin" / "httpd"  # stands for the image's
    program.parent.mkdir()
    note = tmp_path / "started"
    program.write_text(f'#!/bin/sh\necho "$$ $*" > {note}.new\nmv {note}.new {note}\nexec sleep 300\n')
    program.chmod(0o755)
    environment = {"PATH": f"{program.parent}:{os.environ['PATH']}", "PORT": "9001"}
    with subprocess.Popen(command, env=environment) as process:
        while not (tmp_path / "started").exists():
            assert process.poll() is None
            time.sleep(0.02)
        process.terminate()
        assert process.wait(60) == 0
    pid, *arguments = (tmp_path / "started").read_text().split()
    assert "9001" in arguments
    with contextlib.suppress(psutil.NoSuchProcess):
        assert psutil.Process(int(pid)).wait(60) is None, "the server ends, too"


RENAMES = [("un-heard", "loud"), ("loud", "un-heard"), ("loud", "louder")]


@pytest.mark.parametrize(
    ("template", "old", "new"),
    one_of_each(
        [(template, *names) for names in RENAMES for template in TEMPLATES],
        kind=lambda case: case[0] if "-" in case[1] else case[1:],
    ),
)
def test_a_renamed_service_is_the_one_that_would_be_added_by_that_name(
    project: Path, template: str, old: str, new: str
) -> None:
    def services() -> dict[str, bytes]:
        tree = (project / "services").rglob("*")
        return {str(path.relative_to(project)): path.read_bytes() for path in tree if path.is_file()}

    add_service(project, new, "Says hello to everybody.", template)
    expected = services()
    remove_service(project, new, force=True)
    add_service(project, old, "Says hello to everybody.", template)
    rename_service(project, old, new)
    assert services() == expected


# Services of somebody's own, with files and words by the service's name: only what stands between »« changes.
OWN = {
    "flask": {
        "Dockerfile": "COPY requirements.txt ./\nCOPY @/ /srv/@/\nCMD ['gunicorn', '@.wsgi:app']\n",
        "@/__init__.py": "",
        "@/wsgi.py": "from @.views import page\nimport @.views\napp.route('»/@«/pages')(page)\nNAME = '@'\n",
        "@/views.py": "def page(): return render_template('@/list.html'), url_for('@.page')\n",
        "@/templates/@/list.html": "<a href='»/@«/pages'>public @ api</a>\n",
    },
    "django": {
        "manage.py": "os.environ['DJANGO_SETTINGS_MODULE'] = '@.settings'\n",
        "@/settings.py": "ROOT_URLCONF = '@.urls'\nINSTALLED_APPS = ['@', '@.apps.Config']\n",
        "@/urls.py": "from @ import views\nurls = [path('@/', include('@.urls')), path('»/@«/x', x)]\n",
        "@/templates/@/index.html": "<p>@</p>\n",
    },
    "node": {
        "package.json": '{\n  "name": "@",\n  "main": "src/@/index.js"\n}\n',
        "src/@/index.js": 'const @ = axios(); r = require("./@/routes"); app.get("»/@«/:id", @.get); @.post("»/@«")\n',
        "src/@/routes/@.js": "import x from '../@/y.js'; export const @ = { '@': 1 };\n",
        "public/index.html": "<script src='./@.js'></script> the @ of a public @\n",
    },
    "go": {
        "go.mod": "module @\n\ngo 1.25\n",
        "main.go": 'import "@/handlers"\n\nfunc main() { @ := mux(); @.Handle("»/@«/", handlers.All) }\n',
        "handlers/all.go": "package handlers\n",
        "Dockerfile": 'RUN go build -o /usr/bin/@ .\nCMD ["@"]\n',
    },
    "a program": {
        "Dockerfile": '# nova image build --local »@«\nRUN go build -o /usr/local/bin/@ .\nCMD ["@"]\n',
        "main.go": 'const @ = 1\nvar routes = map[string]int{"»/@«": @}\n',
    },
    "words": {
        "main.js": 'const @ = "@"; // the @ of the public\nget("»/@«/x", { @: `${host}»/@«?a` }); "my-@" + x.@["@"]\n',
        "data.py": "Blueprint('@')\nurl_for('@.page')\nconnect('postgres://db:1', bucket='@', table='@_items')\n",
    },
}


@pytest.mark.parametrize(
    ("own", "old"),
    one_of_each([(own, old) for old in ("stock", "public", "my-stock") for own in OWN]),
)
def test_a_renamed_service_of_somebody_s_own_keeps_its_own_files_and_words(project: Path, own: str, old: str) -> None:
    add_service(project, old, "Says hello to everybody.", "go")
    shutil.rmtree(project / "services" / old)
    files = {"Dockerfile": "FROM scratch\n", **OWN[own]}
    for path, text in files.items():
        file = project / "services" / old / path.replace("@", old)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(re.sub("[»«]", "", text).replace("@", old))
    rename_service(project, old, "look-up")
    tree = project / "services" / "look-up"
    found = {path.relative_to(tree).as_posix(): path.read_text() for path in tree.rglob("*") if path.is_file()}
    assert found == {
        path.replace("@", old): re.sub("»(/?)@«", r"\1look-up", text).replace("@", old) for path, text in files.items()
    }


@pytest.mark.exhaustive("test_a_renamed_service_is_the_one_that_would_be_added_by_that_name")
@pytest.mark.parametrize("template", one_of_each(OTHERS))
def test_it_is_renamed_and_removed_like_any_other(project: Path, template: str) -> None:
    before = {path: path.read_bytes() for path in project.rglob("*") if path.is_file()}
    add_service(project, NAME, "Says hello to everybody.", template)
    rename_service(project, NAME, "loud")
    assert load_config(project).service("loud").paths == ("/loud/*",)
    assert NAME not in "".join(
        path.read_text() for path in (project / "services" / "loud").rglob("*") if path.is_file()
    )
    remove_service(project, "loud", force=True)
    assert {path: path.read_bytes() for path in project.rglob("*") if path.is_file()} == before
