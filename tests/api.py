"""Fills a bridge for tests/api and writes what schemathesis is to be told: PUBLIC ADMIN TOKEN FOLDER."""

import json
import pathlib
import sys
import time
import urllib.error
import urllib.request

public, admin, token, folder = sys.argv[1:]


def fetch(url, body=None, method=None, **headers):
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(url, data=body, headers=headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def api(path):
    status, answer = fetch(f"{admin}/api/v1/{path}", Authorization=f"Bearer {token}")
    assert status < 300, (path, status, answer)
    return json.loads(answer)


def post(org, application, stage, status=200):
    message = f"""<TriggerCandidateStateChange_Request xmlns="http://your-company.com/workday/webhooks">
        <Job_Application>
        <Job_Application_ID>{application}</Job_Application_ID>
        <Candidate_Reference><ID type="Candidate_ID">C-{application}</ID></Candidate_Reference>
        <Requisition_Reference><ID type="Requisition_ID">R1</ID></Requisition_Reference>
        <Stage>{stage}</Stage></Job_Application></TriggerCandidateStateChange_Request>"""
    found, answer = fetch(f"{public}/soap/{org}", message.encode(), Content_Type="application/xml")
    assert found == status, answer


def until(holds):
    begun = time.monotonic()
    while not holds():
        assert time.monotonic() - begun < 60
        time.sleep(0.05)


# Three dead letters, delivered events, open and closed interviews, odd ids, duplicates, refusals, an erasure.
for n in range(3):
    post("acme", f"dead {n}", "Interview")
until(lambda: len(api("events?state=dead")["events"]) == 3)
for application in ("A1", "A/1", "A?#%2F", "Ä’1", "A 1;,+", "..", "A1"):
    post("acme", application, "Interview")
for n in range(8):
    post("demo", f"B{n}", "Interview")
    post("demo", f"B{n}", "Offer" if n % 2 else "Second Interview")
post("demo", "C1", "Review")
post("demo", " ", "Interview", 400)
post("acme", "A9", "", 400)
post("demo", "gone", "Interview")
post("demo", "gone", "Offer")
until(lambda: not api("events?state=pending")["events"])
erased, _ = fetch(f"{admin}/api/v1/candidates/demo/C-gone", method="DELETE", Authorization=f"Bearer {token}")
assert erased == 200, erased

events = api("events?limit=1000")["events"]
until(lambda: len(api("refused")["refused"]) == 2)
assert {event["delivery"]["state"] for event in events} >= {"dead", "none"} and len(events) > 20

# By chance an id is hardly ever one that exists, so that a second run is given some. A message that is read again may
# be refused again, which is no fault of the request.
dead = [event["event_id"] for event in events if event["delivery"]["state"] == "dead"]
retried = '[[operations]]\ninclude-path = "/api/v1/refused/{id}/retry"\n' \
    'checks.positive_data_acceptance.expected-statuses = ["2xx", "401", "403", "404", "409", "422"]\n'
known = {
    "GET /api/v1/events/{event_id}": {"event_id": dead[0]},
    "DELETE /api/v1/events/{event_id}": {"event_id": dead[1]},
    "POST /api/v1/events/{event_id}/replay": {"event_id": dead[0]},
    "GET /api/v1/applications/{orgid}/{job_application_id}": {"orgid": "demo", "job_application_id": "B1"},
    "POST /api/v1/applications/{orgid}/{job_application_id}/events": {"orgid": "demo", "job_application_id": "B2"},
    "DELETE /api/v1/candidates/{orgid}/{candidate_id}": {"orgid": "demo", "candidate_id": "C-B4"},
}
given = "".join(
    f'[[operations]]\ninclude-name = "{name}"\nparameters = {{ '
    + ", ".join(f'"path.{key}" = "{value}"' for key, value in ids.items()) + " }\n"
    for name, ids in known.items()
)
# Beyond some wrong tokens they are answered 429, which schemathesis takes for let in; tests/it asks every route.
retried = "checks.ignored_auth.enabled = false\n" + retried
pathlib.Path(folder, "any.toml").write_text(retried)
pathlib.Path(folder, "known.toml").write_text(retried + given)
print(f"the journal: {len(events)} events, two refused messages, an erasure")
