//! `upshift man`: pages for `man`, made from the command's help and the registry of options.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};
use upshift::knobs::Group;
use upshift::{Printable, Result};

use crate::{options, report};

const EXAMPLES: &str = "\
Examples:
  upshift man | man -l -                      read the page of the whole command
  upshift man -o ~/.local/share/man/man1      write it, and a page for each of its commands
  man upshift-lab-run                         read one of those";

/// Prints the manual page, or writes one for each command to a folder.
#[derive(Parser, Debug)]
#[command(
    name = "upshift man",
    bin_name = "upshift man",
    version,
    after_help = EXAMPLES
)]
pub struct Arguments {
    /// The folder for all pages, which is made if it does not exist; without one, the page of the
    /// whole command is printed
    #[arg(short, long, value_name = "FOLDER")]
    output: Option<PathBuf>,
}

/// Prints or writes.
pub fn run(arguments: &Arguments) -> ExitCode {
    let done = match &arguments.output {
        Some(folder) => write_all(folder),
        None => page(options::tree(), true).and_then(|page| {
            let page = String::from_utf8_lossy(&page).into_owned();
            report::out(&page)
        }),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => report::failure(&error),
    }
}

fn write_all(folder: &Path) -> Result<()> {
    let shown = Printable(folder.display());
    std::fs::create_dir_all(folder).with_context(|| format!("cannot create `{shown}`"))?;
    write_tree(folder, options::tree(), "upshift", true)
}

/// Writes the page of a command, and those of its subcommands.
fn write_tree(folder: &Path, command: clap::Command, name: &str, is_root: bool) -> Result<()> {
    for inner in command.get_subcommands() {
        let name = format!("{name}-{}", inner.get_name());
        write_tree(folder, inner.clone(), &name, false)?;
    }
    // Usage has blanks between the names, the page's file hyphens.
    let command = command
        .bin_name(name.replace('-', " "))
        .display_name(name.to_owned());
    let path = folder.join(format!("{name}.1"));
    let shown = Printable(path.display());
    std::fs::write(&path, page(command, is_root)?)
        .with_context(|| format!("cannot write `{shown}`"))
}

/// A command's page; that of the whole command has the grouped options too.
fn page(command: clap::Command, is_root: bool) -> Result<Vec<u8>> {
    let man = Man::new(command.disable_help_subcommand(true));
    let mut page = Vec::new();
    man.render(&mut page)?;
    if is_root {
        let mut roff = Roff::new();
        for group in Group::ALL {
            let help = options::help(group);
            let (title, rows) = help.split_once('\n').unwrap_or((&help, ""));
            roff.control("SH", [title.to_uppercase().as_str()]);
            // As it stands: the columns are the help's.
            roff.control("nf", []);
            for line in rows.trim().lines() {
                roff.text([roman(line)]);
            }
            roff.control("fi", []);
        }
        roff.to_writer(&mut page)?;
    }
    Ok(page)
}
