//! The command line; everything is in the library.

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// A message is made by one thread and dropped by another, which the C library's allocator pays for
/// with locks. The library leaves the choice to whoever embeds it.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    imper_bridge::cli::main()
}
