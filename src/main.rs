//! The command line; everything is in the library.

fn main() {
    println!("imper-bridge {}", env!("CARGO_PKG_VERSION"));
}
