//! `voiced models fetch`: licence, space, files, manifest, and a quantised copy when asked.
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::{
    KNOWN, Model, agree, bytes, checksum,
    hub::{Hub, Remote},
    manifest::{self, Entry, Manifest},
    quantize, verify,
};
use crate::{
    cli::FetchModel,
    config::Models,
    terminal::{self, Progress},
};

/// Room that is left over.
const SPARE: u64 = 200_000_000;

/// Fetches a model.
///
/// # Errors
/// When it is not known, its licence not agreed to, there is no room, or it cannot be had whole.
pub async fn run(options: &FetchModel, models: &Models) -> anyhow::Result<()> {
    let known = KNOWN.iter().find(|model| model.name == options.model);
    let model = known.with_context(|| {
        let names: Vec<_> = KNOWN.iter().map(|model| model.name).collect();
        format!(
            "there is no model {}; there are {}",
            options.model,
            names.join(", ")
        )
    })?;
    agree(model, options.accept_licence.as_deref())?;
    let folder = models.directory.join(model.name);
    match &options.from {
        Some(from) => copy(model, from, &folder, options.quant.map(|q| q.format()))?,
        None => {
            let hub = Hub::new(models)?;
            download(&hub, options, model, &folder).await?;
        }
    }
    terminal::say(&format!("{} is in {}", model.name, folder.display()));
    if let Some(quant) = options.quant {
        let to = models
            .directory
            .join(format!("{}-{}", model.name, quant.name()));
        quantize::run(&folder, &to, quant.format())?;
        terminal::say(&format!(
            "use it with model = \"{}-{}\"; {} may be deleted to save {}",
            model.name,
            quant.name(),
            folder.display(),
            bytes(manifest::size(&folder)),
        ));
    }
    Ok(())
}

/// Fetches what is missing.
pub(super) async fn download(
    hub: &Hub,
    options: &FetchModel,
    model: &Model,
    folder: &Path,
) -> anyhow::Result<()> {
    let revision = options.revision.as_deref().unwrap_or(model.revision);
    let files = hub.files(model, revision).await?;
    let manifest = Manifest {
        model: model.name.to_owned(),
        repository: model.repository.to_owned(),
        revision: revision.to_owned(),
        licence: model.licence.name().to_owned(),
        files: files
            .iter()
            .map(|file| (file.path.clone(), file.entry.clone()))
            .collect(),
    };
    // Files of another revision may have the same size: then everything is fetched again.
    let same = manifest::read(folder).is_some_and(|before| before == manifest);
    let missing: Vec<&Remote> = match same {
        true => {
            let missing = manifest.missing(folder);
            files
                .iter()
                .filter(|f| missing.contains(&f.path.as_str()))
                .collect()
        }
        false => files.iter().collect(),
    };
    let partial = |file: &Remote| {
        let part = folder.join(&file.path).with_added_extension("partial");
        std::fs::metadata(part).map_or(0, |part| part.len())
    };
    let rest = missing
        .iter()
        .map(|f| f.entry.size.saturating_sub(partial(f)));
    ensure_room(folder, rest.sum::<u64>() + quantised(model, options))?;
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    manifest.write(folder)?;
    for (i, file) in missing.iter().enumerate() {
        let what = format!("{} ({} of {})", file.path, i + 1, missing.len());
        let progress = Progress::bytes(&what);
        if !terminal::is_shown() {
            terminal::complain(&format!("fetching {what}, {}", bytes(file.entry.size)));
        }
        let all = file.entry.size as usize;
        let watch = |done: u64| progress.set(done as usize, all);
        let to = folder.join(&file.path);
        let fetched = hub.fetch(model, revision, file, &to, &watch).await;
        progress.done();
        fetched?;
    }
    Ok(())
}

/// About the bytes of the quantised copy that is wanted too.
fn quantised(model: &Model, options: &FetchModel) -> u64 {
    options.quant.map_or(0, |quant| quant.share_of(model.bytes))
}

/// Takes a model from a folder that was filled elsewhere.
fn copy(
    model: &Model,
    from: &Path,
    folder: &Path,
    quant: Option<voiced_nn::matrix::Format>,
) -> anyhow::Result<()> {
    let mut files: Vec<PathBuf> = model.files.iter().map(PathBuf::from).collect();
    if let Some(more) = model.folder {
        let there = std::fs::read_dir(from.join(more));
        let there = there.with_context(|| format!("cannot read {}", from.join(more).display()))?;
        let names = there
            .flatten()
            .map(|entry| Path::new(more).join(entry.file_name()));
        files.extend(names);
    }
    let lacking: Vec<String> = files
        .iter()
        .filter(|file| !from.join(file).is_file())
        .map(|file| file.display().to_string())
        .collect();
    anyhow::ensure!(
        lacking.is_empty(),
        "{} lacks {}: it must hold the files of {}",
        from.display(),
        lacking.join(", "),
        model.repository
    );
    verify::open(from).map_err(anyhow::Error::msg)?;
    let sizes = files.iter().map(|file| std::fs::metadata(from.join(file)));
    let sizes: Vec<u64> = sizes
        .map(|m| m.map(|m| m.len()))
        .collect::<Result<_, _>>()?;
    let all: u64 = sizes.iter().sum();
    ensure_room(folder, all + quant.map_or(0, |_| all / 2))?;
    let mut manifest = Manifest {
        model: model.name.to_owned(),
        repository: format!("a folder, said to be {}", model.repository),
        revision: "unknown".to_owned(),
        licence: model.licence.name().to_owned(),
        files: Default::default(),
    };
    let progress = Progress::bytes("copying");
    let mut done = 0;
    for (file, size) in files.iter().zip(sizes) {
        let to = folder.join(file);
        if let Some(parent) = to.parent() {
            std::fs::create_dir_all(parent)
                .with_context(|| format!("cannot make {}", parent.display()))?;
        }
        let part = to.with_added_extension("partial");
        std::fs::copy(from.join(file), &part)
            .and_then(|_| std::fs::rename(&part, &to))
            .with_context(|| format!("cannot write {}", to.display()))?;
        let entry = Entry {
            size,
            checksum: checksum::of(&to)?,
        };
        manifest.files.insert(file.display().to_string(), entry);
        done += size;
        progress.set(done as usize, all as usize);
    }
    progress.done();
    Ok(manifest.write(folder)?)
}

/// Whether so many bytes will fit where the folder is, or will be.
fn ensure_room(folder: &Path, needed: u64) -> anyhow::Result<()> {
    let there = folder.ancestors().find(|folder| folder.exists());
    let Some(there) = there else { return Ok(()) };
    let Ok(disk) = rustix::fs::statvfs(there) else {
        // A system that does not tell is asked by writing.
        return Ok(());
    };
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    anyhow::ensure!(
        needed + SPARE <= free,
        "{} has {} free, and {} are needed: name a roomier folder in models.directory",
        there.display(),
        bytes(free),
        bytes(needed + SPARE)
    );
    Ok(())
}
