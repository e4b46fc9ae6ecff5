"""`.env` means the same to the application, deploy.sh and Docker Compose, whatever a password contains."""

import json
import os
import subprocess

import pytest

from tests.deploy.test_deploy_script import Deployment
from tests.tools import needs
from webapp.settings import SettingsError, environment
from webapp.settings.env_file import read_env_file

# What a line says after NAME=, and what it means.
READ_ALIKE = {
    "": "",
    "''": "",
    '""': "",
    "plain": "plain",
    "with space # comment": "with space",
    "a=b=c": "a=b=c",
    "a#b": "a#b",
    "it's\"5\\n": "it's\"5\\n",
    " padded  ": "padded",
    "crlf\r": "crlf",
    "'a $HOME ${HOME} $$ b'": "a $HOME ${HOME} $$ b",
    "'# no comment'  # comment": "# no comment",
    """'say "hi"'""": 'say "hi"',
    r"'it\'s'": "it's",
    r"'back\slash \n'": r"back\slash \n",
    "'  spaces '": "  spaces ",
    "'tab\there'": "tab\there",
    "'ü € 密 🔑'": "ü € 密 🔑",
    "ü€密": "ü€密",
    '"it\'s"  # comment': "it's",
    r'"two \\\\, one \\"': "two \\\\, one \\",
    r'"\$HOME \${HOME} \$\$ `id` $(id)"'.replace("$(", r"\$("): "$HOME ${HOME} $$ `id` $(id)",
    r'''"\\ \" \$ ' # = ü"''': "\\ \" $ ' # = ü",
    "'`touch /tmp/x` $(id) %s %n !! *'": "`touch /tmp/x` $(id) %s %n !! *",
}
READ_DIFFERENTLY = [
    "pa$word",
    "pa$$word",
    "${HOME}",
    "tail$",
    '"pa$word"',
    '"${HOME}"',
    '"a\\nb"',
    '"a\\"',
    '"open',
    "'open",
    "'two\\\\'",
    "'ends with\\'",
    "'a'b",
    '"a" b',
    "'a'#b",
    "#hash",
    " # comment",
    "a\t# comment",
]
ADVICE = (
    "POSTGRES_PASSWORD is quoted in a way that programs read differently; "
    'expected \'text\' in single quotes, or "text" in double quotes with \\ before each ", $ and \\'
)


@pytest.fixture
def deployment(tmp_path):
    return Deployment(tmp_path)


def write(path, text, name="POSTGRES_PASSWORD"):
    path.write_bytes(f"API_KEY=secret-key-1\nREDIS_PASSWORD=r\n{name}={text}\n".encode())
    return path


@pytest.mark.parametrize(("text", "meant"), READ_ALIKE.items())
def test_the_application_reads_what_is_meant(tmp_path, text, meant):
    assert read_env_file(write(tmp_path / ".env", text))["POSTGRES_PASSWORD"] == meant


@pytest.mark.parametrize(("text", "meant"), READ_ALIKE.items())
def test_deploy_sh_reads_the_same(deployment, text, meant):
    write(deployment.env_file, text, "OPENAI_API_KEY")
    deployment.env_file.write_text(deployment.env_file.read_text() + "POSTGRES_PASSWORD=p\n")

    done = deployment.run(*(("--secret", "OPENAI_API_KEY") if meant else ()))

    assert done.returncode == 0, done.stderr
    _, _, values, _ = deployment.call
    assert values.get("extraSecrets", {}).get("OPENAI_API_KEY", "") == meant


@needs("docker-compose")
def test_docker_compose_reads_the_same(tmp_path):
    names = {f"WORD_{number}": text for number, text in enumerate(READ_ALIKE)}
    lines = "".join(f"{name}={text}\n" for name, text in names.items())
    (tmp_path / ".env").write_bytes(lines.encode())
    service = {
        "image": "x",
        "env_file": ".env",
        "environment": {f"{name}_": f"${{{name}}}" for name in names},
    }
    (tmp_path / "compose.json").write_text(json.dumps({"services": {"a": service}}))

    done = subprocess.run(
        ["docker-compose", "-f", "compose.json", "config", "--format", "json"],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
    )

    read = json.loads(done.stdout)["services"]["a"]["environment"]
    for name, meant in zip(names, READ_ALIKE.values(), strict=True):
        # Compose writes each $ as $$, so that its output is a Compose file again.
        assert (read[name], read[f"{name}_"]) == (meant.replace("$", "$$"),) * 2, names[name]


@pytest.mark.parametrize("text", READ_DIFFERENTLY)
def test_what_programs_read_differently_is_refused_with_the_way_to_write_it(deployment, text):
    write(deployment.env_file, text)

    with pytest.raises(SettingsError) as caught:
        read_env_file(deployment.env_file)
    done = deployment.run()

    assert caught.value.faults == [f"env line 3: {ADVICE}"]
    assert done.returncode == 2
    assert done.stderr == f"deploy.sh: {deployment.env_file} line 3: {ADVICE}\n"


@pytest.mark.parametrize("line", ["NAME: value", "just words", "=value", "1NAME=value"])
def test_a_line_that_assigns_nothing_is_refused(deployment, line):
    deployment.env_file.write_text(f"{line}\n")

    with pytest.raises(SettingsError, match="line 1: expected NAME=value"):
        read_env_file(deployment.env_file)
    assert "line 1: expected NAME=value" in deployment.run().stderr


def test_comments_exports_names_without_value_and_a_missing_newline_are_fine(deployment):
    key, passwords = "export API_KEY = 'secret-key-1' # c\n", "REDIS_PASSWORD=a\nREDIS_PASSWORD=b\n"
    text = f"\ufeff{key}\n  # POSTGRES_PASSWORD=no\nPATH\n{passwords}POSTGRES_PASSWORD=c"
    deployment.env_file.write_text(text)

    assert deployment.run().returncode == 0
    _, _, values, _ = deployment.call
    found = read_env_file(deployment.env_file)
    assert found == {"API_KEY": "secret-key-1", "REDIS_PASSWORD": "b", "POSTGRES_PASSWORD": "c"}
    assert values["apiKey"] == "secret-key-1"
    assert (values["postgresql"]["password"], values["redis"]["password"]) == ("c", "b")


def test_a_missing_file_has_no_values(tmp_path):
    assert read_env_file(tmp_path / ".env") == {}


def test_what_the_flask_command_copied_from_the_file_does_not_count_as_the_environment(tmp_path, monkeypatch):
    (tmp_path / ".env").write_text(
        "POSTGRES_PASSWORD='a${B}c'\nREDIS_PASSWORD=file\nPOSTGRES_HOST=h\nREDIS_HOST=h\n"
    )
    # As the flask command, which reads the file by python-dotenv.
    monkeypatch.setenv("POSTGRES_PASSWORD", "ac")
    monkeypatch.setenv("REDIS_PASSWORD", "process")

    values = environment(tmp_path / ".env", tmp_path / "none")

    assert (values["POSTGRES_PASSWORD"], values["REDIS_PASSWORD"]) == ("a${B}c", "process")
