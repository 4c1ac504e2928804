"""What tests/stacks runs: BINARY WORK VENV MODULES.

The clients speak to this script, which passes everything on to the bridge: it notes which SOAP
version each message and each answer really had, as a stack may fall back to another one.
"""

import atexit
import http.client
import http.server
import json
import os
import pathlib
import subprocess
import sys
import threading
import urllib.parse
import urllib.request

binary, work, venv, modules = sys.argv[1:]
clients = pathlib.Path(__file__).parent
work = pathlib.Path(work)
TOKEN, USER, PASSWORD = "stacks-token", "studio", "pass:word"
JARS = pathlib.Path("/usr/share/java")
AXIS = "axis axis-jaxrpc axis-saaj commons-discovery commons-logging wsdl4j javax.mail javax.activation"
JAXWS = """jaxws-rt jaxws-ri-runtime jaxws-api jws-api jaxb-api jaxb-runtime jaxb-core jaxb-impl saaj-impl saaj-api
    javax.activation stax-ex stax2-api streambuffer woodstox-core metro-policy mimepull gmbal gmbal-pfl management-api
    istack-commons-runtime txw2 FastInfoset jaxws-ri-rt-fastinfoset geronimo-annotation-1.3-spec"""
JAXWS_TOOLS = """jaxws-tools jaxb-xjc jaxb-jxc codemodel codemodel-annotation-compiler xsom rngom relaxngDatatype
    istack-commons-tools dtd-parser xml-resolver ant"""

# What passed since it was last looked at: versions of the message and of its answer, and the status.
seen = []
ENVELOPES = {"http://schemas.xmlsoap.org/soap/envelope/": "1.1", "http://www.w3.org/2003/05/soap-envelope": "1.2"}


def versions(body):
    return {version for namespace, version in ENVELOPES.items() if namespace.encode() in body}


class Line(http.server.BaseHTTPRequestHandler):
    """Passes a request on as it is, and its answer back."""

    protocol_version = "HTTP/1.1"

    def body(self):
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def pass_on(self):
        body = self.body()
        onward = http.client.HTTPConnection(urllib.parse.urlsplit(bridge).netloc, timeout=60)
        left = ("transfer-encoding", "content-length")
        kept = {name: value for name, value in self.headers.items() if name.lower() not in left}
        onward.request(self.command, self.path, body if self.command == "POST" else None, kept)
        answer = onward.getresponse()
        content = answer.read()
        if self.command == "POST":
            seen.append((versions(body), versions(content), answer.status))
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("connection", "content-length", "transfer-encoding", "date"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = pass_on

    def log_message(self, *_):
        pass


def start_bridge(public_url):
    """Starts the bridge behind that address, and gives where it really listens."""
    config = work / "bridge.toml"
    config.write_text(
        f"""
listen = "127.0.0.1:0"
public_url = "{public_url}"
[admin]
listen = "127.0.0.1:0"
token = "{TOKEN}"
[store]
url = "sqlite:{work}/journal.db"
[org.demo]
auth.basic = {{ username = "{USER}", password = "{PASSWORD}" }}
handler = "in_process"
"""
    )
    with open(work / "log", "w") as log:
        command = [binary, "serve", "--config", config]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
    atexit.register(process.kill)
    lines = [process.stdout.readline().split() for _ in range(2)]
    if [line[:1] for line in lines] != [["public"], ["admin"]]:
        sys.exit((work / "log").read_text())
    return [line[1].rstrip("/") for line in lines]


# The line stands before the bridge does: its address is the bridge's public one.
line = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Line)
line.daemon_threads = True
public = f"http://127.0.0.1:{line.server_port}"
bridge, admin = start_bridge(public)
endpoint = f"{public}/soap/demo"


def run(command, **options):
    done = subprocess.run([str(each) for each in command], capture_output=True, text=True, timeout=300, **options)
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def jars(names):
    return ":".join(str(JARS / f"{name}.jar") for name in names.split())


def debian(package):
    return run(["dpkg-query", "-W", "-f", "${Version}", package])


def npm(package):
    return json.loads((pathlib.Path(modules) / package / "package.json").read_text())["version"]


def python(module):
    return run([f"{venv}/bin/python", "-c", f"import importlib.metadata as m; print(m.version('{module}'))"]).strip()


def folder(name):
    path = work / name
    path.mkdir()
    return path


def wsdl(version):
    return f"{endpoint}?wsdl&soap={version}"


def script(interpreter, name, of=wsdl):
    """A client that needs no generated code: it reads the WSDL as it starts."""
    return lambda version: [interpreter, clients / name, of(version)]


def both(_version):
    return f"{endpoint}?wsdl"


def gsoap(version):
    """Each version has types and stubs of its own."""
    made = folder(f"gsoap-{version}")
    (made / "service.wsdl").write_bytes(urllib.request.urlopen(wsdl(version), timeout=60).read())
    run(["wsdl2h", "-c", "-O1", "-o", "service.h", "service.wsdl"], cwd=made)
    run(["soapcpp2", f"-{version[-1]}", "-C", "-c", "-L", "-x", "service.h"], cwd=made)
    nsmap = next(made.glob("*.nsmap")).name
    sources = [(clients / "gsoap.c").resolve(), "soapC.c", "soapClient.c"]
    run(["cc", "-w", "-I.", f'-DSOAP_NSMAP="{nsmap}"', "-o", "client", *sources, "-lgsoap"], cwd=made)
    return [made / "client", endpoint]


def jax_ws(version):
    """One set of classes has both ports."""
    made = work / "jax-ws"
    if not made.exists():
        generated = folder("jax-ws")
        tool = ["com.sun.tools.ws.WsImport", "-extension", "-keep", "-Xnocompile", "-quiet", "-p", "stub"]
        run(["java", "-cp", jars(JAXWS + " " + JAXWS_TOOLS), *tool, "-d", generated, f"{endpoint}?wsdl"])
        run(["javac", "-nowarn", "-cp", jars(JAXWS), "-d", made, clients / "JaxWs.java", *generated.glob("stub/*.java")])
    return ["java", "-cp", f"{jars(JAXWS)}:{made}", "JaxWs", f"{endpoint}?wsdl"]


def axis(version):
    """Knows SOAP 1.1 only, and cannot pass over a binding of another one."""
    made = folder("axis")
    run(["java", "-cp", jars(AXIS), "org.apache.axis.wsdl.WSDL2Java", "-o", made, "-p", "stub", wsdl("1.1")])
    run(["javac", "-nowarn", "-cp", jars(AXIS), "-d", made, clients / "Axis.java", *made.glob("stub/*.java")])
    return ["java", "-cp", f"{jars(AXIS)}:{made}", "Axis", endpoint]


STACKS = [
    ("JAX-WS RI", lambda: debian("libjaxws-java"), jax_ws, ["1.1", "1.2"]),
    ("Axis", lambda: debian("libaxis-java"), axis, ["1.1"]),
    ("zeep", lambda: python("zeep"), script(f"{venv}/bin/python", "zeep-client.py", both), ["1.1", "1.2"]),
    ("suds", lambda: python("suds"), script(f"{venv}/bin/python", "suds-client.py", both), ["1.1"]),
    ("node-soap", lambda: npm("soap"), script("node", "node-soap.js"), ["1.1", "1.2"]),
    ("strong-soap", lambda: npm("strong-soap"), script("node", "strong-soap.js"), ["1.1", "1.2"]),
    ("SOAP::Lite", lambda: debian("libsoap-lite-perl"), script("perl", "soap-lite.pl", both), ["1.1", "1.2"]),
    ("PHP SoapClient", lambda: run(["php", "-r", "echo PHP_VERSION;"]), script("php", "soapclient.php"), ["1.1", "1.2"]),
    ("gSOAP", lambda: debian("gsoap"), gsoap, ["1.1", "1.2"]),
]


def event(application):
    query = urllib.parse.urlencode({"orgid": "demo", "job_application_id": application})
    request = urllib.request.Request(f"{admin}/api/v1/events?{query}", headers={"Authorization": f"Bearer {TOKEN}"})
    events = json.load(urllib.request.urlopen(request, timeout=60))["events"]
    return events[0] if len(events) == 1 else {}


def judge(name, version, command):
    """Calls twice, rightly and wrongly, and tells what is wrong with what the stack read."""
    application = f"{name} {version}"
    seen.clear()
    environment = {**os.environ, "NODE_PATH": modules}
    output = run([*command, USER, PASSWORD, application, version], env=environment)
    lines = dict(line.split(" ", 1) for line in output.splitlines() if " " in line)
    stored = event(application)
    answer = "ok" if lines.get("answer") == f"{stored.get('event_id')} interview_started Accepted" else "WRONG"
    sent = [stored.get(key) for key in ("candidate_id", "job_requisition_id", "stage", "step", "status", "timestamp")]
    if sent != ["W12345", "REQ678", "Interview", "Phone Screen", "Screening", "2026-04-09T14:30:00Z"]:
        answer = "WRONG"
    place = "/Envelope/Body/TriggerCandidateStateChange_Request/Job_Application/Job_Application_ID"
    fault = "ok" if lines.get("fault", "").startswith(f"missing_element {place} ") else "WRONG"
    status = 400 if version == "1.2" else 500
    wire = "ok" if seen == [({version}, {version}, 200), ({version}, {version}, status)] else "WRONG"
    problem = "" if (answer, fault, wire) == ("ok", "ok", "ok") else f"{output}\n{stored}\n{seen}"
    return (f"{version} {wire}", answer, fault), problem


def main():
    threading.Thread(target=line.serve_forever, daemon=True).start()
    row = "{:<15} {:<22} {:<9} {:<7} {:<6}".format
    print(row("stack", "version", "SOAP", "answer", "fault"))
    problems, rows = [], 0
    for name, version_of, prepare, soap_versions in STACKS:
        for version in soap_versions:
            try:
                verdict, problem = judge(name, version, prepare(version))
            except Exception as error:
                verdict, problem = (f"{version} WRONG", "-", "-"), str(error)
            print(row(name, version_of(), *verdict), flush=True)
            problems += [f"{name}, SOAP {version}: {problem}"] if problem else []
            rows += 1
    for problem in problems:
        print(problem, file=sys.stderr)
    print(f"{rows - len(problems)} of {rows}")
    sys.exit(1 if problems else 0)


main()
