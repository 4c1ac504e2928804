"""What tests/schemas runs: PUBLIC ADMIN TOKEN FIXTURES."""

import io
import json
import pathlib
import sys
import urllib.error
import urllib.request

import jsonschema
import zeep
import zeep.exceptions
from lxml import etree
from zeep.wsse.username import UsernameToken

public, admin, token, fixtures = sys.argv[1:]
endpoint = f"{public}/soap/demo"


def fetch(url, body=None, headers=None):
    request = urllib.request.Request(url, data=body, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def content_type(body):
    text = body.replace(b"\0", b"")
    if b"http://www.w3.org/2003/05/soap-envelope" in text:
        return "application/soap+xml"
    return "text/xml" if b"Envelope" in text else "application/xml"


# Each binding is imported, called, and its answer and its fault are read as what the WSDL declares.
imported = 0
for query in ("?wsdl", "?wsdl&soap=1.1", "?wsdl&soap=1.2"):
    client = zeep.Client(endpoint + query)
    for service in client.wsdl.services.values():
        for port in service.ports.values():
            call = client.bind(service.name, port.name).TriggerCandidateStateChange
            application = {
                "Job_Application_ID": f"zeep {query} {port.name}",
                "Candidate_Reference": {"ID": [{"_value_1": "W12345", "type": "Candidate_ID"}]},
                "Requisition_Reference": {"ID": [{"_value_1": "REQ678", "type": "Requisition_ID"}]},
                "Stage": "Interview",
                "Step": "Phone Screen",
                "Current_Status": "Screening",
            }
            answer = call(Job_Application=application)
            assert (answer.Event_Type, answer.Outcome) == ("interview_started", "Accepted"), answer
            try:
                call(Job_Application={**application, "Job_Application_ID": ""})
                sys.exit("an empty id was not refused")
            except zeep.exceptions.Fault as fault:
                detail = etree.tostring(fault.detail) if fault.detail is not None else b""
                assert b"missing_element" in detail, (fault, detail)
            imported += 1
print(f"zeep: {imported} ports imported, called, answer and fault read")

# WS-Security: a right password as text and as digest, and wrong ones, in both SOAP versions.
signed = 0
for query, digest in (("?wsdl&soap=1.1", False), ("?wsdl&soap=1.1", True), ("?wsdl&soap=1.2", False), ("?wsdl&soap=1.2", True)):
    for password in ("s3cret", "guess"):
        sign_in = UsernameToken("imper", password, use_digest=digest)
        client = zeep.Client(f"{public}/soap/wsse{query}", wsse=sign_in)
        try:
            answer = client.service.TriggerCandidateStateChange(Job_Application=application)
            assert password == "s3cret" and answer.Outcome in ("Accepted", "Duplicate"), (digest, answer)
        except zeep.exceptions.Fault as fault:
            names = [fault.code, *(name.localname for name in fault.subcodes or ())]
            assert password == "guess" and any("FailedAuthentication" in name for name in names), (digest, names, fault)
        signed += 1
print(f"WS-Security: {signed} UsernameTokens of zeep taken or refused as they should be")

schema = etree.XMLSchema(etree.parse(io.BytesIO(fetch(endpoint + "?xsd=1")[1])))
namespace = "http://your-company.com/workday/webhooks"
names = (f"{{{namespace}}}TriggerCandidateStateChange_Response", f"{{{namespace}}}Fault_Detail")
checked = 0
for path in sorted(pathlib.Path(fixtures).glob("*.xml")):
    body = path.read_bytes()
    _, answer = fetch(endpoint, body, {"Content-Type": content_type(body)})
    ours = [element for element in etree.fromstring(answer).iter(*names)]
    assert len(ours) == 1, (path, answer)
    schema.assertValid(etree.fromstring(etree.tostring(ours[0])))
    checked += 1
print(f"XML Schema: {checked} answers and faults valid")

event_schema = json.loads(fetch(f"{public}/schemas/candidate-event.json")[1])
jsonschema.Draft202012Validator.check_schema(event_schema)
validator = jsonschema.Draft202012Validator(event_schema, format_checker=jsonschema.FormatChecker())
events = json.loads(fetch(f"{admin}/api/v1/events?limit=1000", headers={"Authorization": f"Bearer {token}"})[1])["events"]
keys = set(event_schema["properties"])
for event in events:
    validator.validate({key: value for key, value in event.items() if key in keys})
assert len(events) > 10, len(events)
print(f"JSON Schema: {len(events)} events valid")
