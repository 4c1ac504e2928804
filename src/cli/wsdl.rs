//! `imper-bridge wsdl`: an endpoint's WSDL.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use super::{BAD_INPUT, input};
use crate::config::Settings;
use crate::domain::OrgId;
use crate::organisation::Organisation;
use crate::soap::wsdl::{Bindings, wsdl};

/// What `wsdl` takes.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// The endpoint's address [default: that of the organisation under the public URL]
    #[arg(long, value_name = "URL")]
    address: Option<String>,
    /// Take namespace and address of an organisation of this configuration
    #[arg(long)]
    config: Option<PathBuf>,
    /// Which organisation
    #[arg(long, requires = "config")]
    org: Option<OrgId>,
}

/// Prints the WSDL, with both bindings.
///
/// # Errors
/// When the output cannot be written.
pub fn run(options: &Options) -> anyhow::Result<ExitCode> {
    match input::organisation(options.config.as_ref(), options.org.as_ref()) {
        Ok((organisation, settings)) => {
            let address = options.address.clone().unwrap_or_else(|| address(&organisation, &settings));
            io::stdout().write_all(wsdl(&organisation.profile.namespace, &address, Bindings::Both).as_bytes())?;
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            eprintln!("imper-bridge: {error:#}");
            Ok(ExitCode::from(BAD_INPUT))
        }
    }
}

fn address(organisation: &Organisation, settings: &Settings) -> String {
    let public = settings.public_url_at(settings.listen);
    format!("{}/soap/{}", public.as_str().trim_end_matches('/'), organisation.id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_under_the_public_url() {
        let (organisation, settings) = input::organisation(None, None).unwrap();
        assert_eq!(address(&organisation, &settings), "http://127.0.0.1:8080/soap/demo");
    }
}
