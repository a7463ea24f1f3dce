//! The program: what was typed, done, and an exit code that says how it went.
use std::process::ExitCode;

use clap::Parser;
use voiced::{cli::Cli, commands, terminal};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // A broken pipe is the reader's choice.
            let _ = error.print();
            return match error.use_stderr() {
                true => commands::USAGE.into(),
                false => ExitCode::SUCCESS,
            };
        }
    };
    match std::panic::catch_unwind(|| commands::run(cli.command)) {
        Ok(Ok(code)) => code,
        Ok(Err(error)) => {
            terminal::complain(&format!("voiced: {error:#}"));
            commands::exit_code(&error).into()
        }
        Err(_) => {
            terminal::complain("voiced: that was a bug of ours; please report what stands above");
            commands::SOFTWARE.into()
        }
    }
}
