// node-soap: the WSDL's operation as a method of the client; the fault's detail is an object.
const soap = require('soap');

const [wsdl, user, password, application, version] = process.argv.slice(2);
const request = (id) => ({
  Job_Application: {
    Job_Application_ID: id,
    Candidate_Reference: { ID: [{ attributes: { type: 'Candidate_ID' }, $value: 'W12345' }] },
    Requisition_Reference: { ID: [{ attributes: { type: 'Requisition_ID' }, $value: 'REQ678' }] },
    Stage: 'Interview',
    Step: 'Phone Screen',
    Current_Status: 'Screening',
    Event_Timestamp: '2026-04-09T14:30:00Z',
  },
});

async function main() {
  const client = await soap.createClientAsync(wsdl, { forceSoap12Headers: version === '1.2' });
  client.setSecurity(new soap.BasicAuthSecurity(user, password));
  const [answer] = await client.TriggerCandidateStateChangeAsync(request(application));
  console.log('answer', answer.Event_ID, answer.Event_Type, answer.Outcome);
  try {
    await client.TriggerCandidateStateChangeAsync(request(''));
  } catch (error) {
    const fault = error.root.Envelope.Body.Fault;
    const detail = (fault.detail || fault.Detail).Fault_Detail;
    console.log('fault', detail.Code, detail.Message);
  }
}

main();
