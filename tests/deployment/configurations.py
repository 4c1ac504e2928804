"""Starts the bridge with each configuration in deploy/, as the files around it would start it.

The secrets are where the unit, the compose file or the manifests put them; the journal lies where
they keep it; the probes and the health check ask what the bridge answers; it reloads, by the command
that the unit or the documents name, refuses a bad file, and stops.
"""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import yaml

from bridge import PATIENCE, Process, fetch, wait_for

DEPLOY = pathlib.Path("deploy")
BINARY = sys.argv[1]
# As images are tagged: the version of what is in them.
IMAGE = subprocess.check_output([BINARY, "--version"], text=True).strip().replace(" ", ":")


def manifests():
    """All Kubernetes objects by kind and name."""
    files = sorted((DEPLOY / "kubernetes").rglob("*.yaml"))
    objects = [each for file in files for each in yaml.safe_load_all(file.read_text())]
    return {(each["kind"], each["metadata"]["name"]): each for each in objects}


def commented_reload(file):
    """The words of the reload that a file's comment shows, as they are typed in the container."""
    text = (DEPLOY / file).read_text().replace("\\\n#", "")
    (command,) = re.findall(r"exec .* (/usr/bin/imper-bridge +reload [^#\n]*?) *(?:#.*)?$", text, re.M)
    return command.split()


def systemd():
    """What the unit says: configuration, where secrets are and which, where the journal may lie, probes, reload."""
    unit = (DEPLOY / "systemd/imper-bridge.service").read_text()
    secrets = re.findall(r"^LoadCredential=([^:]+):/etc/imper-bridge/secrets/\1$", unit, re.M)
    assert "serve --config /etc/imper-bridge/bridge.toml\n" in unit
    state = "/var/lib/" + re.search(r"^StateDirectory=(.+)$", unit, re.M)[1]
    text = (DEPLOY / "systemd/bridge.toml").read_text()
    socket = (DEPLOY / "systemd/imper-bridge.socket").read_text()
    (at,) = re.findall(r"^ListenStream=(.+)$", socket, re.M)
    assert f'listen = "{at}"' in text, "the socket is where bridge.toml says"
    (reload,) = re.findall(r"^ExecReload=\+(.+)$", unit, re.M)
    return text, "/run/credentials/imper-bridge.service", secrets, state, [], reload.split()


def compose():
    service = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]["imper-bridge"]
    assert service["image"] == IMAGE
    volumes = dict(each.split(":")[:2] for each in service["volumes"])
    assert volumes["./compose/config"] == "/etc/imper-bridge"
    text = (DEPLOY / "compose/config/bridge.toml").read_text()
    return text, "/run/secrets", service["secrets"], volumes["journal"], [], commented_reload("compose.yaml")


def compose_postgres():
    """What the file with a database says of itself; a test of `tests/it/compose.rs` starts two bridges with its
    configuration."""
    services = yaml.safe_load((DEPLOY / "compose.postgres.yaml").read_text())["services"]
    database = services.pop("postgres")
    text = (DEPLOY / "compose/postgres/bridge.toml").read_text()
    named = sorted(re.findall(r'file = "/run/secrets/([^"]+)"', text))
    made = database["environment"]
    assert f"postgres://{made['POSTGRES_USER']}@postgres/{made['POSTGRES_DB']}" in text
    password = made["POSTGRES_PASSWORD_FILE"]
    assert f'password = {{ file = "{password}" }}' in text and password.rsplit("/", 1)[1] in database["secrets"]
    published = []
    for name, service in services.items():
        assert service["image"] == IMAGE and service["volumes"] == ["./compose/postgres:/etc/imper-bridge:ro"], name
        assert sorted(service["secrets"]) == named, (name, named)
        assert set(database["networks"]) < set(service["networks"]), name
        published += [each.rsplit(":", 1) for each in service["ports"]]
    assert {port for _, port in published} == {"8080", "8081"} == set(re.findall(r'^listen = ".+:(\d+)"', text, re.M))
    assert len({at for at, _ in published}) == 2 * len(services), "each has ports of its own"
    print(f"ok    deploy/compose.postgres.yaml: {len(services)} bridges and a database that agree on what they name")


def kubernetes():
    objects = manifests()
    pod = objects["Deployment", "imper-bridge"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["image"].endswith(f"/{IMAGE}")
    volumes = {each["name"]: each for each in pod["volumes"]}
    mounts = {each["name"]: each["mountPath"] for each in container["volumeMounts"]}
    text = objects["ConfigMap", volumes["config"]["configMap"]["name"]]["data"]["bridge.toml"]
    assert container["args"] == ["serve", "--config", mounts["config"] + "/bridge.toml"]
    secrets = objects["Secret", volumes["secrets"]["secret"]["secretName"]]["stringData"]
    assert ("PersistentVolumeClaim", volumes["journal"]["persistentVolumeClaim"]["claimName"]) in objects
    probes = [container[probe]["httpGet"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")]
    return text, mounts["secrets"], list(secrets), mounts["journal"], probes, commented_reload("kubernetes/config.yaml")


def image(instruction):
    """The words of an instruction of the Dockerfile in its JSON form."""
    text = (DEPLOY / "Dockerfile").read_text().replace("\\\n", " ")
    return json.loads(re.search(rf"^{instruction}\b.*?(\[.*\])$", text, re.M)[1])


def reload_by_command(bridge, config, command, admin):
    """Has the bridge reload: the file as it is, which works, then a bad one, which the command's exit code tells."""
    assert command[1] == "reload"
    text = config.read_text()
    anywhere = {**os.environ, "IMPER_BRIDGE_ADMIN__LISTEN": admin}
    reload = lambda: subprocess.run(command, env=anywhere, capture_output=True, text=True, timeout=PATIENCE)
    good = reload()
    assert good.returncode == 0 and "was reloaded" in bridge.log.read_text(), good
    config.write_text(text + "[limits]\nxml_depth = 'deep'\n")
    bad = reload()
    assert bad.returncode == 1 and "limits.xml_depth" in bad.stderr, bad
    config.write_text(text)


def try_out(name, configuration):
    """Runs the bridge with it from start to stop."""
    text, folder, secrets, state, probes, reload = configuration
    named = re.findall(r'file = "([^"]+)"', text)
    assert sorted(named) == sorted(f"{folder}/{secret}" for secret in secrets), (named, secrets)
    (store,) = re.findall(r'^url = "sqlite:(.+)"$', text, re.M)
    assert store.startswith(state + "/"), f"{store} is not where it is kept: {state}"
    ports = dict(zip(("http", "admin"), re.findall(r'^listen = ".+:(\d+)"', text, re.M), strict=True))
    assert ports == {"http": "8080", "admin": "8081"}, "the ports that the files around it name"
    with tempfile.TemporaryDirectory() as work:
        for secret in secrets:
            pathlib.Path(work, secret).write_text(f"the-{secret}\n")
        config = pathlib.Path(work, "bridge.toml")
        config.write_text(text.replace(folder, work).replace(state, work))
        anywhere = {"IMPER_BRIDGE_LISTEN": "127.0.0.1:0", "IMPER_BRIDGE_ADMIN__LISTEN": "127.0.0.1:0"}
        places = {"/etc/imper-bridge/bridge.toml": str(config), "/etc/imper-bridge/secrets/admin-token": f"{work}/admin-token"}
        as_configured = lambda words: [places.get(word, word) for word in words]
        program = image("ENTRYPOINT")
        assert program == image("HEALTHCHECK")[:1]
        command = [BINARY, *as_configured(image("CMD"))]
        with Process(command, 2, f"{work}/log", anywhere) as bridge:
            at = dict(zip(("http", "admin"), bridge.addresses))
            for probe in probes:
                status, answer = fetch(at[probe["port"]] + probe["path"])
                assert status == 200, (probe, answer)
            wait_for("it is ready", lambda: fetch(at["http"] + "/readyz")[0] == 200)
            port = at["admin"].rsplit(":", 1)[1]
            check = [BINARY, *as_configured(image("HEALTHCHECK")[1:])]
            # A listener at all addresses is asked on loopback, as in a container.
            there = {"IMPER_BRIDGE_ADMIN__LISTEN": f"0.0.0.0:{port}", "IMPER_BRIDGE_BEHIND_TLS_PROXY": "true"}
            with Process(check, 0, f"{work}/health", there) as health:
                assert health.child.wait() == 0, health.log.read_text()
            reload_by_command(bridge, config, [BINARY, *as_configured(reload[1:])], f"127.0.0.1:{port}")
            assert bridge.stop() == 0, bridge.log.read_text()
            warnings = [line for line in bridge.log.read_text().splitlines() if " WARN " in line or " ERROR " in line]
            assert len(warnings) == 1 and "the old one stays in force" in warnings[0], warnings
            with Process(check, 0, f"{work}/health", there) as health:
                assert health.child.wait() == 1, "a bridge that is gone is not healthy"
    print(f"ok    {name}: starts, answers {len(probes)} probes and its health check, reloads, stops")


try_out("deploy/systemd/bridge.toml", systemd())
try_out("deploy/compose/config/bridge.toml", compose())
compose_postgres()
try_out("the ConfigMap", kubernetes())
