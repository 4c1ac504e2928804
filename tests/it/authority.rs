//! A certificate authority of the tests' own, and what it issues.

use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
};

/// An authority that only the tests know.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) pem: String,
}

/// A certificate with its key.
pub(crate) struct Issued {
    pub(crate) der: Vec<u8>,
    pub(crate) pem: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::new([]).unwrap();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.distinguished_name = called(&[(DnType::CommonName, name)]);
        let pem = parameters.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(parameters, key), pem }
    }

    /// A server's certificate for this machine.
    pub(crate) fn server(&self) -> Issued {
        self.server_at(&["127.0.0.1", "localhost"])
    }

    /// A server's certificate for these names and addresses.
    pub(crate) fn server_at(&self, names: &[&str]) -> Issued {
        self.issue(CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap())
    }

    /// A client's certificate with this subject, from the outermost part of the name to the innermost.
    pub(crate) fn client(&self, name: &[(DnType, &str)]) -> Issued {
        let mut parameters = CertificateParams::new([]).unwrap();
        parameters.distinguished_name = called(name);
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.issue(parameters)
    }

    fn issue(&self, parameters: CertificateParams) -> Issued {
        let key = KeyPair::generate().unwrap();
        let certificate = parameters.signed_by(&key, &self.issuer).unwrap();
        Issued { der: certificate.der().to_vec(), pem: certificate.pem(), key: key.serialize_pem() }
    }
}

fn called(parts: &[(DnType, &str)]) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    parts.iter().for_each(|(kind, value)| name.push(kind.clone(), *value));
    name
}

impl Issued {
    /// Writes the certificate and its key into files.
    pub(crate) fn write(&self, certificate: &Path, key: &Path) {
        std::fs::write(certificate, &self.pem).unwrap();
        std::fs::write(key, &self.key).unwrap();
    }

    /// What a client shows itself with.
    pub(crate) fn identity(&self) -> reqwest::Identity {
        reqwest::Identity::from_pem(format!("{}{}", self.key, self.pem).as_bytes()).unwrap()
    }
}
