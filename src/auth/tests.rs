//! Who is let in, and by what.

use super::*;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

fn basic(pair: &str) -> String {
    format!("Basic {}", STANDARD.encode(pair))
}

fn both() -> Verifier {
    Verifier::default().with_basic("imper", "se:cret".to_owned().into()).with_bearer("tok-en".to_owned().into())
}

fn ask(verifier: &Verifier, header: &str) -> Result<Way, Denied> {
    verifier.verify([header.as_bytes()], None, ()).map(|authenticated| authenticated.way())
}

const WRONG: Denied = Denied::Wrong { way: Way::Basic, known_user: false };

#[test]
fn any_of_several_credentials_suffices() {
    assert_eq!(ask(&both(), &basic("imper:se:cret")), Ok(Way::Basic));
    assert_eq!(ask(&both(), "bEaReR  tok-en"), Ok(Way::Bearer));
    assert_eq!(ask(&Verifier::open(), "nonsense"), Ok(Way::Open));
    assert_eq!(Verifier::open().verify([], None, 7).map(Authenticated::into_inner), Ok(7));
    let rotated = both().with_basic("imper", "next".to_owned().into());
    assert!(ask(&rotated, &basic("imper:next")).is_ok() && ask(&rotated, &basic("imper:se:cret")).is_ok());
}

#[test]
fn wrong_is_told_from_missing() {
    assert_eq!(both().verify([], None, ()), Err(Denied::Missing));
    for pair in [
        "imper:se:cre",
        "imper:se:cret ",
        "imper:",
        ":se:cret",
        "Imper:se:cret",
        "other:se:cret",
        "imper:se:cretse:cret",
    ] {
        let known_user = pair.starts_with("imper:");
        assert_eq!(ask(&both(), &basic(pair)), Err(Denied::Wrong { way: Way::Basic, known_user }), "{pair}");
    }
    assert_eq!(ask(&both(), "Bearer tok-em"), Err(Denied::Wrong { way: Way::Bearer, known_user: false }));
    assert_eq!(ask(&both(), "Digest username=x"), Err(Denied::OtherScheme));
    assert_eq!(ask(&Verifier::default().with_bearer("x".to_owned().into()), &basic("a:x")), Err(Denied::OtherScheme));
    let twice = [b"Bearer tok-en".as_slice(), b"Bearer tok-en"];
    assert_eq!(both().verify(twice, None, ()), Err(Denied::Malformed));
}

#[test]
fn a_new_verifier_and_an_empty_secret_let_nobody_in() {
    assert_eq!(ask(&Verifier::default(), "Bearer x"), Err(Denied::OtherScheme));
    let empty = Verifier::default().with_basic("", String::new().into());
    assert_eq!(ask(&empty, &basic(":")), Err(WRONG));
}

#[test]
fn challenges_name_what_is_configured() {
    let challenges = both().challenges("ac\"me");
    assert_eq!(challenges, ["Basic realm=\"acme\", charset=\"UTF-8\"", "Bearer realm=\"acme\""]);
    assert_eq!(WRONG.refusal().code, crate::refusal::Code::Unauthorized);
}

#[test]
fn a_certificate_is_always_required_and_alone_enough() {
    let named = |name: &str| {
        let mut parameters = rcgen::CertificateParams::new([]).unwrap();
        parameters.distinguished_name = rcgen::DistinguishedName::new();
        parameters.distinguished_name.push(rcgen::DnType::CommonName, name);
        Certificate::from_der(parameters.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().der())
    };
    let (studio, other) = (named("studio"), named("other"));
    let expected = Expected::Subject("CN=studio".parse().unwrap());
    let alone = Verifier::default().with_certificate(expected.clone());
    let way = |verifier: &Verifier, headers: &[&[u8]], shown| {
        verifier.verify(headers.iter().copied(), shown, ()).map(|authenticated| authenticated.way())
    };
    assert_eq!(way(&alone, &[], Some(&studio)), Ok(Way::Certificate));
    assert_eq!(way(&alone, &[], Some(&other)), Err(Denied::OtherCertificate));
    assert_eq!(way(&alone, &[b"Bearer tok-en"], None), Err(Denied::NoCertificate));
    let beside = both().with_certificate(expected);
    assert_eq!(way(&beside, &[b"Bearer tok-en"], Some(&studio)), Ok(Way::Bearer));
    assert_eq!(way(&beside, &[], Some(&studio)), Err(Denied::Missing));
    assert_eq!(way(&beside, &[b"Bearer tok-en"], Some(&other)), Err(Denied::OtherCertificate));
    assert_eq!(way(&beside, &[b"Bearer tok-en"], None), Err(Denied::NoCertificate));
    let signed = Verifier::default()
        .with_username_token("imper", "se:cret".to_owned().into())
        .with_certificate(Expected::Subject("CN=studio".parse().unwrap()));
    assert_eq!(way(&signed, &[], Some(&studio)), Err(Denied::Missing), "the token is asked for as well");
    assert_eq!(way(&signed, &[], None), Err(Denied::NoCertificate));
    assert_eq!(alone.challenges("x"), ["Certificate realm=\"x\""]);
    assert!(WRONG.is_attempt() && !Denied::OtherCertificate.is_attempt() && !Denied::Missing.is_attempt());
}

#[test]
fn secrets_are_not_shown() {
    let shown = format!("{:?}", both());
    assert!(!shown.contains("se:cret") && !shown.contains("tok-en"), "{shown}");
}
