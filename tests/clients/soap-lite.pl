# SOAP::Lite: address, action and namespace out of the WSDL (its own stubs do not know
# document/literal); the fault's detail is a structure named by the declared elements.
use strict;
use warnings;
use SOAP::Lite;

my ($wsdl, $user, $password, $application, $version) = @ARGV;
my $operation = SOAP::Schema->schema_url($wsdl)->parse->services->{CandidateStateService}{TriggerCandidateStateChange};
my $client = SOAP::Lite->soapversion($version)->proxy("$operation->{endpoint}");
$client->on_action(sub { qq("$operation->{soapaction}") });
$client->on_fault(sub { $_[1] });
$client->autotype(0)->encodingStyle('');
$client->default_ns($operation->{namespace});
$client->transport->http_request->authorization_basic($user, $password);

sub reference {
    my ($name, $value, $type) = @_;
    return SOAP::Data->name($name => \SOAP::Data->name(ID => $value)->attr({ type => $type }));
}

sub send_change {
    my ($application) = @_;
    my $change = SOAP::Data->name(Job_Application => \SOAP::Data->value(
        SOAP::Data->name(Job_Application_ID => $application),
        reference(Candidate_Reference => W12345 => 'Candidate_ID'),
        reference(Requisition_Reference => REQ678 => 'Requisition_ID'),
        SOAP::Data->name(Stage => 'Interview'),
        SOAP::Data->name(Step => 'Phone Screen'),
        SOAP::Data->name(Current_Status => 'Screening'),
        SOAP::Data->name(Event_Timestamp => '2026-04-09T14:30:00Z'),
    ));
    return $client->call('TriggerCandidateStateChange_Request', $change);
}

my $answer = send_change($application);
my $body = $answer->valueof('//TriggerCandidateStateChange_Response');
print "answer $body->{Event_ID} $body->{Event_Type} $body->{Outcome}\n";
my $fault = send_change('');
# SOAP::SOM's own faultdetail knows the element of SOAP 1.1 only.
my $place = $version eq '1.2' ? 'Detail' : 'detail';
my $detail = $fault->valueof("/Envelope/Body/Fault/$place/Fault_Detail");
print "fault $detail->{Code} $detail->{Message}\n";
