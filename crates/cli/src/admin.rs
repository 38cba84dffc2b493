//! `steno admin`: what an operator does to the queue itself, on its machine. The one command that opens the data folder, whether
//! the service runs or not.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use steno_models::{JobId, Status, Timestamp, TombstoneReason};
use steno_settings::{QueueSettings, parse_duration};
use steno_store::{InspectedJob, JobFilter, Place, Store, StoreError, StoreSettings};

use crate::jobs::parse_status;
use crate::print;

/// Arguments of `steno admin`.
#[derive(Args, Debug)]
pub(crate) struct AdminArguments {
    #[command(flatten)]
    queue: QueueSettings,
    #[command(subcommand)]
    command: AdminCommand,
}

#[derive(Debug, Subcommand)]
enum AdminCommand {
    /// List jobs of every API key, oldest first, with their tasks; never their content.
    Jobs {
        #[command(flatten)]
        which: JobSelection,
        /// Print the jobs as JSON, one a line, for programs.
        #[arg(long)]
        json: bool,
    },
    /// Make tasks due now that wait for another try, with all their tries; those of these jobs, or of all.
    ///
    /// Jobs that have failed for good cannot be tried again: their recordings are deleted.
    Retry {
        /// The jobs.
        ids: Vec<JobId>,
    },
    /// Delete jobs, whatever their status, and what is left of them in the database's log.
    Purge {
        #[command(flatten)]
        which: JobSelection,
        /// Delete every job there is.
        #[arg(long)]
        all: bool,
    },
    /// Copy the queue to a new folder while it runs: set `STENO_DATA` to it to go on from there.
    ///
    /// The copy has recordings and transcripts, which no deadline deletes while no Steno runs on it.
    Backup {
        /// The folder, which must be empty or not there.
        folder: PathBuf,
    },
    /// Look for damage, for rows that do not fit together, and for files that jobs need. Exit code 1 if there is any.
    Check,
    /// Give space that deleted jobs have left back to the file system. Takes as much memory as the database has; calls that write
    /// wait or are refused meanwhile.
    Vacuum,
}

impl AdminCommand {
    /// Whether it works with recordings.
    fn needs_files(&self) -> bool {
        match self {
            Self::Purge { .. } | Self::Backup { .. } | Self::Check => true,
            Self::Jobs { .. } | Self::Retry { .. } | Self::Vacuum => false,
        }
    }
}

#[derive(Args, Debug)]
struct JobSelection {
    /// Only this job.
    #[arg(long)]
    job: Option<JobId>,
    /// Only jobs of this API key.
    #[arg(long)]
    owner: Option<String>,
    /// Only jobs that stand there: pending, processing, completed or failed.
    #[arg(long, value_parser = parse_status)]
    status: Option<Status>,
    /// Only jobs submitted so long ago, or before.
    #[arg(long, value_parser = parse_duration)]
    older_than: Option<Duration>,
}

impl JobSelection {
    fn is_everything(&self) -> bool {
        self.job.is_none()
            && self.owner.is_none()
            && self.status.is_none()
            && self.older_than.is_none()
    }

    fn filter(&self, now: Timestamp) -> JobFilter {
        JobFilter {
            job_id: self.job,
            owner: self.owner.clone(),
            status: self.status,
            created_by: self
                .older_than
                .map(|age| now.plus_ms(-(age.as_millis() as i64))),
        }
    }
}

/// Runs the command.
pub(crate) fn admin(arguments: &AdminArguments) -> anyhow::Result<()> {
    let store = open(&arguments.queue)?;
    if arguments.command.needs_files() {
        store.check_place_of_files()?;
    }
    match &arguments.command {
        AdminCommand::Jobs { which, json } => {
            let filter = which.filter(store.clock().now().wall);
            list(&store.inspect_jobs(&filter)?, *json)
        }
        AdminCommand::Retry { ids } => retry(&store, ids),
        AdminCommand::Purge { which, all } => {
            if which.is_everything() && !all {
                bail!("say which jobs: --job, --owner, --status, --older-than, or --all");
            }
            purge(&store, &which.filter(store.clock().now().wall))
        }
        AdminCommand::Backup { folder } => {
            let backup = store.back_up(folder)?;
            print::line(&format!(
                "{} has the queue and {} files",
                folder.display(),
                backup.files
            ));
            Ok(())
        }
        AdminCommand::Check => check(&store),
        AdminCommand::Vacuum => Ok(store.vacuum()?),
    }
}

fn open(queue: &QueueSettings) -> anyhow::Result<Store> {
    let place = place(queue)?;
    if place.database.is_none() {
        require_database_file(queue)?;
    }
    let settings = StoreSettings {
        ttl: queue.ttl,
        retrieval_grace: queue.retrieval_grace,
        lease: queue.lease,
    };
    Store::open(place, settings)
        .with_context(|| format!("cannot open the queue at {}", queue.data.display()))?
        .with_storage(queue.storage_url.as_deref())
        .map_err(anyhow::Error::from)
}

fn place(queue: &QueueSettings) -> Result<Place, StoreError> {
    let database = &queue.database;
    let password_file = database.password_file();
    Place::new(
        &queue.data,
        database.url(),
        password_file.as_deref(),
        database.ca_file(),
    )
}

/// Says what is wrong if this user cannot see a queue in the folder.
fn require_database_file(queue: &QueueSettings) -> anyhow::Result<()> {
    let data = queue.data.display();
    match queue.data.join("steno.db").metadata() {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => bail!(
            "this user may not open {data}: run the command as the user of the service, as with sudo -u steno"
        ),
        Err(_) => {
            bail!("there is no queue at {data}: name its folder with --data or STENO_DATA")
        }
    }
}

fn list(jobs: &[InspectedJob], json: bool) -> anyhow::Result<()> {
    if json {
        for job in jobs {
            print::line(&serde_json::to_string(job)?);
        }
        return Ok(());
    }

    let head = [
        "JOB", "STATUS", "OWNER", "ATTEMPTS", "WAITING", "CLAIMED", "DONE", "BYTES", "CREATED",
        "ERROR",
    ];
    print::line(&row(&head.map(ToOwned::to_owned)));
    for job in jobs {
        print::line(&row(&[
            job.job_id.to_string(),
            job.status.to_string(),
            if job.owner.is_empty() {
                "-".to_owned()
            } else {
                job.owner.clone()
            },
            job.attempts.to_string(),
            job.tasks_waiting.to_string(),
            job.tasks_claimed.to_string(),
            job.tasks_done.to_string(),
            job.audio_bytes.to_string(),
            job.created_at.to_string(),
            job.error_code.clone().unwrap_or_default(),
        ]));
    }

    Ok(())
}

fn row(
    [
        job,
        status,
        owner,
        attempts,
        waiting,
        claimed,
        done,
        bytes,
        created,
        error,
    ]: &[String; 10],
) -> String {
    let text = format!(
        "{job:<36}  {status:<10}  {owner:<12}  {attempts:>8}  {waiting:>7}  {claimed:>7}  {done:>5}  {bytes:>11}  \
         {created:<24}  {error}"
    );
    text.trim_end().to_owned()
}

fn retry(store: &Store, ids: &[JobId]) -> anyhow::Result<()> {
    let mut retried = 0;
    if ids.is_empty() {
        retried = store.retry_tasks(None)?;
    }
    for id in ids {
        let filter = JobFilter {
            job_id: Some(*id),
            ..JobFilter::default()
        };
        match store.inspect_jobs(&filter)?.first() {
            None => bail!("there is no job {id}"),
            Some(job) if job.status.is_terminal() => {
                bail!(
                    "job {id} is {}, and its recording deleted: it has to be submitted again",
                    job.status
                )
            }
            Some(_) => retried += store.retry_tasks(Some(*id))?,
        }
    }
    print::line(&format!("{retried} tasks are due now"));
    Ok(())
}

fn purge(store: &Store, filter: &JobFilter) -> anyhow::Result<()> {
    let now = store.clock().now();
    let jobs = store.inspect_jobs(filter)?;
    for job in &jobs {
        store.delete_job(now, None, job.job_id, TombstoneReason::Deleted)?;
    }
    // Also empties the database's log, in which their text would survive until the next sweep.
    store.sweep(now)?;
    print::line(&format!("{} jobs are deleted", jobs.len()));
    Ok(())
}

fn check(store: &Store) -> anyhow::Result<()> {
    let problems = store.check()?;
    for problem in &problems {
        print::line(problem);
    }
    if problems.is_empty() {
        print::line("nothing is wrong");
        return Ok(());
    }
    bail!(
        "{} things are wrong; restore a backup if the database is damaged",
        problems.len()
    )
}
