"""Holds the Kubernetes manifests against the published schemas, strictly, and against each other."""

import copy
import pathlib

import kubernetes_validate
import yaml

VERSIONS = ["1.30", "1.37"]
# What the bridge takes at most to stop by itself, in seconds.
DRAIN = 30

objects = {}
for file in sorted(pathlib.Path("deploy/kubernetes").rglob("*.yaml")):
    for each in yaml.safe_load_all(file.read_text()):
        for version in VERSIONS:
            kubernetes_validate.validate(each, version, strict=True)
        objects[each["kind"], each["metadata"]["name"]] = each

# What is in the folder itself is applied as it stands, and holds no stand-in for a secret.
applied = sorted(pathlib.Path("deploy/kubernetes").glob("*.yaml"))
assert applied and not any("kind: Secret\n" in file.read_text() for file in applied)

# The schemas would notice a slip.
wrong = copy.deepcopy(objects["Deployment", "imper-bridge"])
wrong["spec"]["template"]["spec"]["enableServiceLink"] = False
try:
    kubernetes_validate.validate(wrong, VERSIONS[-1], strict=True)
except kubernetes_validate.ValidationError:
    pass
else:
    raise SystemExit("the schemas let a misspelt key pass")

deployment = objects["Deployment", "imper-bridge"]["spec"]
pod = deployment["template"]["spec"]
(container,) = pod["containers"]
labels = deployment["template"]["metadata"]["labels"]
ports = {port["name"] for port in container["ports"]}

assert (deployment["replicas"], deployment["strategy"]["type"]) == (1, "Recreate"), "one process owns a journal"
assert pod["terminationGracePeriodSeconds"] > DRAIN
assert pod["enableServiceLinks"] is False and pod["automountServiceAccountToken"] is False
assert pod["securityContext"]["runAsNonRoot"] and container["securityContext"]["readOnlyRootFilesystem"]
assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}

selectors = {
    "Deployment": lambda spec: spec["selector"]["matchLabels"],
    "Service": lambda spec: spec["selector"],
    "PodDisruptionBudget": lambda spec: spec["selector"]["matchLabels"],
    "NetworkPolicy": lambda spec: spec["podSelector"]["matchLabels"],
}
for (kind, name), each in objects.items():
    if kind in selectors:
        chosen = selectors[kind](each["spec"])
        assert chosen.items() <= labels.items(), f"{kind} {name} chooses no pod of the deployment: {chosen}"
    if kind == "Service":
        assert {port["targetPort"] for port in each["spec"]["ports"]} <= ports, f"{name} leads nowhere"
    if kind == "NetworkPolicy":
        assert {port["port"] for rule in each["spec"]["ingress"] for port in rule["ports"]} <= ports
for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
    assert container[probe]["httpGet"]["port"] in ports
print(f"ok    {len(objects)} Kubernetes objects are as the schemas of {' and '.join(VERSIONS)} say, and fit together")
