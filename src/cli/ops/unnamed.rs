//! A group of commands one of which need not be named: `portolan ops alarms` is `portolan ops alarms list`.

use clap::{ArgMatches, Args, Command, Error, FromArgMatches, Subcommand};
use std::marker::PhantomData;

/// One of the commands `C`; where none is named, the one whose arguments are `D`.
#[derive(Debug)]
pub struct Unnamed<C, D> {
    /// The command.
    pub command: C,
    default: PhantomData<D>,
}

impl<C: Subcommand, D: Args + Into<C>> Args for Unnamed<C, D> {
    fn augment_args(command: Command) -> Command {
        let commands = C::augment_subcommands(D::augment_args(command));
        // What the unnamed one requires is not required of the others, which have their own.
        commands
            .subcommand_required(false)
            .arg_required_else_help(false)
            .args_conflicts_with_subcommands(true)
            .subcommand_negates_reqs(true)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl<C: Subcommand, D: Args + Into<C>> FromArgMatches for Unnamed<C, D> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let command = match matches.subcommand_name() {
            Some(_) => C::from_arg_matches(matches)?,
            None => D::from_arg_matches(matches)?.into(),
        };
        Ok(Self { command, default: PhantomData })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
