//! Says of each file that is named whether the bridge's reader accepts it as XML:
//! `accept FILE` or `refuse FILE: why and where`. Used by `tests/conformance`.

use std::process::ExitCode;

use imper_bridge::xml::check;

fn main() -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    for path in std::env::args_os().skip(1) {
        let name = path.display();
        match std::fs::read(&path) {
            Ok(bytes) => match check(&bytes) {
                Ok(()) => println!("accept {name}"),
                Err(error) => println!("refuse {name}: {error}"),
            },
            Err(error) => {
                eprintln!("{name}: {error}");
                code = ExitCode::FAILURE;
            }
        }
    }
    code
}
