//! `voiced transcribe`: many recordings at once into files, one to standard output, or a live
//! stream as it comes. One bad recording among many is told and does not stop the others.
use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::Context;
use tokio::{
    sync::{Semaphore, mpsc},
    task::JoinSet,
};
use voiced_core::{
    activity::ActivityPolicy,
    audio::SampleRate,
    engine::{Heard, Hearing},
};
use voiced_pipeline::lease::EngineClient;

use super::{Form, Sound, Told, transcribe};
use crate::{
    cli::{Transcribe, TranscriptFormat},
    config::{Config, Ear},
    engines,
    reader::{Input, Reader},
    recording::RecordingError,
    terminal::{self, Progress},
};

/// Stretches of sound read ahead.
const AHEAD: usize = 8;

/// Hears what was named and writes it down.
///
/// # Errors
/// When the recogniser cannot be had, or a recording could not be heard.
pub async fn run(options: &Transcribe, config: &Config) -> anyhow::Result<()> {
    let outputs = outputs(options)?;
    let rows = options.files.len().min(options.parallel.into());
    let ear = Ear {
        rows,
        ..config.ear.clone()
    };
    let engine = engines::ear::start(&ear, config.models.threads).await?;
    if let [(file, None)] = outputs.as_slice() {
        return one(options, file, &engine, config.activity).await;
    }
    let permits = Arc::new(Semaphore::new(rows));
    let mut tasks = JoinSet::new();
    let count = outputs.len();
    for (file, output) in outputs {
        let (permits, engine) = (permits.clone(), engine.clone());
        let (input, format, activity) = (input(options), options.format, config.activity);
        tasks.spawn(async move {
            let _permit = permits.acquire_owned().await;
            let output = output.unwrap_or_default();
            let done = into_file(&file, input, format, &output, &engine, activity).await;
            (file, done)
        });
    }
    let mut failed = 0;
    let progress = Progress::steps("recordings");
    while let Some(done) = tasks.join_next().await {
        let (file, done) = done.context("a recording's task panicked")?;
        if let Err(error) = done {
            failed += 1;
            terminal::complain(&format!("voiced: {}: {error:#}", file.display()));
        }
        progress.set(count - tasks.len(), count);
    }
    progress.done();
    anyhow::ensure!(
        failed == 0,
        "{failed} of {count} recordings could not be heard"
    );
    Ok(())
}

fn input(options: &Transcribe) -> Input {
    match (options.raw.and_then(SampleRate::new), options.follow) {
        (Some(rate), _) => Input::Bare(rate),
        (None, true) => Input::Live,
        (None, false) => Input::Whole,
    }
}

/// Every recording with the file it is written to, if it is written to one.
fn outputs(options: &Transcribe) -> anyhow::Result<Vec<(PathBuf, Option<PathBuf>)>> {
    let Some(folder) = &options.output else {
        anyhow::ensure!(
            options.files.len() == 1,
            "several recordings need a folder to be written to: -o DIR"
        );
        return Ok(vec![(options.files[0].clone(), None)]);
    };
    anyhow::ensure!(
        !options.follow,
        "a live stream is written to standard output"
    );
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let mut taken = BTreeMap::new();
    let mut all = Vec::new();
    for file in &options.files {
        let stem = match file == Path::new("-") {
            true => "stdin".into(),
            false => file.file_stem().unwrap_or_default().to_owned(),
        };
        let output = folder
            .join(stem)
            .with_added_extension(options.format.extension());
        if let Some(other) = taken.insert(output.clone(), file) {
            anyhow::bail!(
                "{} and {} would both become {}: transcribe them into folders of their own",
                other.display(),
                file.display(),
                output.display()
            );
        }
        all.push((file.clone(), Some(output)));
    }
    Ok(all)
}

/// Reads a recording on a thread of its own, not far ahead of who hears it.
async fn read(
    file: &Path,
    input: Input,
    ended: Arc<AtomicBool>,
) -> Result<(Sound, Option<Duration>), RecordingError> {
    let (stretches, sound) = mpsc::channel(AHEAD);
    let file = file.to_owned();
    let (opened_tx, opened) = tokio::sync::oneshot::channel();
    // Ends with the recording, or with who hears it.
    let reading = tokio::task::spawn_blocking(move || {
        let mut reader = match Reader::open(&file, input, SampleRate::HEARING) {
            Ok(reader) => reader,
            Err(error) => {
                let _ = opened_tx.send(Err(error));
                return;
            }
        };
        let _ = opened_tx.send(Ok(reader.length()));
        while !ended.load(Ordering::Relaxed) {
            let mut stretch = Vec::new();
            let stretch = match reader.next(&mut stretch) {
                Ok(true) => Ok(stretch),
                Ok(false) => return,
                Err(error) => Err(error),
            };
            let failed = stretch.is_err();
            if stretches.blocking_send(stretch).is_err() || failed {
                return;
            }
        }
    });
    match opened.await {
        Ok(length) => Ok((sound, length?)),
        Err(_) => {
            let why = reading
                .await
                .map_or_else(|e| e.to_string(), |()| String::new());
            let source = io::Error::other(format!("its reader ended: {why}"));
            let name = "the recording".to_owned();
            Err(RecordingError::Read { name, source })
        }
    }
}

/// One recording, or a live stream, to standard output.
async fn one(
    options: &Transcribe,
    file: &Path,
    engine: &EngineClient<Hearing, Heard>,
    activity: ActivityPolicy,
) -> anyhow::Result<()> {
    let ended = Arc::new(AtomicBool::new(false));
    let (sound, length) = read(file, input(options), ended.clone()).await?;
    let sound = match options.follow {
        true => until_interrupted(sound, ended),
        false => sound,
    };
    let progress = Progress::sound("heard");
    let mut form = Form::new(options.format, io::stdout())?;
    // On a terminal the words so far stand below what was said.
    let shows = options.follow && options.format == TranscriptFormat::Text && terminal::is_shown();
    let mut tell = |told: Told| match told {
        Told::Said(said) => {
            if shows {
                terminal::erase_line();
            }
            form.write(&said)
        }
        Told::Partial(text) if shows => {
            terminal::show_line(&text);
            Ok(())
        }
        Told::Partial(text) if options.follow => form.write_partial(&text),
        Told::Partial(_) => Ok(()),
        Told::Heard(to) => {
            if let Some(length) = length.filter(|_| !options.follow) {
                let whole = |time: Duration| time.as_secs() as usize;
                progress.set(whole(to), whole(length));
            }
            Ok(())
        }
    };
    let mut detector = (engines::activity_detector())();
    let heard = transcribe(engine, &mut *detector, activity, sound, &mut tell).await;
    progress.done();
    match heard {
        // Whoever read has seen enough.
        Err(super::TranscribeError::Write(error)) if is_broken_pipe(&error) => return Ok(()),
        heard => heard?,
    }
    form.finish()?;
    Ok(())
}

fn is_broken_pipe(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::BrokenPipe
}

/// The sound, ended by Ctrl-C as if it had come to its end.
fn until_interrupted(mut sound: Sound, ended: Arc<AtomicBool>) -> Sound {
    let (stretches, until) = mpsc::channel(1);
    #[expect(
        clippy::disallowed_methods,
        reason = "ends with the sound or its hearer"
    )]
    tokio::spawn(async move {
        let interrupted = tokio::signal::ctrl_c();
        tokio::pin!(interrupted);
        loop {
            tokio::select! {
                _ = &mut interrupted => break,
                stretch = sound.recv() => match stretch {
                    Some(stretch) => {
                        if stretches.send(stretch).await.is_err() {
                            break;
                        }
                    }
                    None => break,
                },
            }
        }
        ended.store(true, Ordering::Relaxed);
    });
    until
}

/// One recording into a file, which appears under its name only when it is whole.
async fn into_file(
    file: &Path,
    input: Input,
    format: TranscriptFormat,
    output: &Path,
    engine: &EngineClient<Hearing, Heard>,
    activity: ActivityPolicy,
) -> anyhow::Result<()> {
    let ended = Arc::new(AtomicBool::new(false));
    let (sound, _) = read(file, input, ended).await?;
    let part = output.with_added_extension("partial");
    let unwritable = || format!("cannot write {}", output.display());
    let sink = BufWriter::new(File::create(&part).with_context(unwritable)?);
    let mut form = Form::new(format, sink)?;
    let mut tell = |told: Told| match told {
        Told::Said(said) => form.write(&said),
        Told::Partial(_) | Told::Heard(_) => Ok(()),
    };
    let mut detector = (engines::activity_detector())();
    let heard = transcribe(engine, &mut *detector, activity, sound, &mut tell).await;
    if heard.is_err() {
        // Half a transcript is worse than none; its loss changes nothing.
        let _ = std::fs::remove_file(&part);
    }
    heard?;
    form.finish()?.flush()?;
    std::fs::rename(&part, output).with_context(unwritable)
}
