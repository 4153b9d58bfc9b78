//! The `hansa` binary: command line, registry of roles, composition root.

#![forbid(unsafe_code)]

mod admin;
mod cli;
mod composition;
mod config;
mod contract;
mod demo;
mod health;
mod identity;
mod process;
mod registry;
mod telemetry;

use clap::Parser;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    leave_out_handled_panics();
    let arguments = cli::Arguments::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(cli::run(arguments)) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The hook is called for handled panics too, which are told of where they are handled.
fn leave_out_handled_panics() {
    let tell = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| match hansa_router::panics::are_handled() {
        true => tracing::debug!(%panic, "a panic is handled"),
        false => tell(panic),
    }));
}
