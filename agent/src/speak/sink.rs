//! Where spoken sound is written: a file in one of several forms, or a stream as it is made; and how
//! far it has come, told on a terminal.
use std::{
    fs::File,
    io::{self, BufWriter, IsTerminal, Seek, SeekFrom, Write},
    path::Path,
    time::Duration,
};

use anyhow::Context;
use voiced_transport::soundfile::{Form, SoundFile, Target};

use super::{Reached, Sink};

/// One recording being written, and told of.
pub struct Recorder {
    sound: SoundFile,
    to: To,
    bytes: Vec<u8>,
    meter: Option<Meter>,
}

enum To {
    /// A file whose beginning can be written anew.
    File(BufWriter<File>),
    /// Standard output, or a file that cannot be gone back in, such as a named pipe.
    Stream(Box<dyn Write + Send>),
}

impl Recorder {
    /// A recording in `path`, or on standard output for `-`. `total` is the length of the text in
    /// bytes, where it is known; progress is shown only on a terminal, and not where the sound
    /// goes to the same one.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn create(path: &Path, form: Form, total: Option<u64>) -> anyhow::Result<Recorder> {
        let to = if path == Path::new("-") {
            To::Stream(Box::new(io::stdout()))
        } else {
            let cannot = || format!("cannot write {}", path.display());
            let mut file = File::create(path).with_context(cannot)?;
            match file.metadata().with_context(cannot)?.is_file() && file.stream_position().is_ok()
            {
                true => To::File(BufWriter::new(file)),
                false => To::Stream(Box::new(file)),
            }
        };
        let target = match to {
            To::File(_) => Target::File,
            To::Stream(_) => Target::Stream,
        };
        let show = io::stderr().is_terminal();
        Ok(Recorder {
            sound: SoundFile::new(form, target)?,
            to,
            bytes: Vec::new(),
            meter: show.then(|| Meter::new(total)),
        })
    }

    /// Writes what is left and the lengths that are known now; the recording is whole, however
    /// far it came.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(mut self) -> io::Result<()> {
        self.bytes.clear();
        self.sound
            .finish(&mut self.bytes)
            .map_err(io::Error::other)?;
        self.write()?;
        if let Some(meter) = &self.meter {
            meter.end();
        }
        if let To::File(file) = &mut self.to {
            if let Some(beginning) = self.sound.beginning() {
                file.seek(SeekFrom::Start(0))?;
                file.write_all(&beginning)?;
            }
            file.flush()?;
        }
        Ok(())
    }

    fn write(&mut self) -> io::Result<()> {
        match &mut self.to {
            To::File(file) => file.write_all(&self.bytes),
            To::Stream(stream) => {
                stream.write_all(&self.bytes)?;
                // It is heard as it is made.
                stream.flush()
            }
        }
    }
}

impl Sink for Recorder {
    fn take(&mut self, samples: &[f32], reached: Reached) -> io::Result<()> {
        self.bytes.clear();
        self.sound
            .push(samples, &mut self.bytes)
            .map_err(io::Error::other)?;
        self.write()?;
        if let Some(meter) = &mut self.meter {
            meter.show(reached);
        }
        Ok(())
    }
}

/// Tells how far a text has come, once for every second of its sound.
struct Meter {
    total: Option<u64>,
    told: u64,
}

impl Meter {
    fn new(total: Option<u64>) -> Meter {
        Meter { total, told: 0 }
    }

    fn show(&mut self, reached: Reached) {
        let seconds = reached.sound().as_secs();
        if seconds > self.told {
            self.told = seconds;
            // Nobody misses a line that cannot be shown.
            let _ = write!(io::stderr(), "\r{}", told(reached, self.total));
        }
    }

    fn end(&self) {
        if self.told > 0 {
            // As above.
            let _ = writeln!(io::stderr());
        }
    }
}

fn told(reached: Reached, total: Option<u64>) -> String {
    let sound = clock(reached.sound());
    match total {
        Some(total) if total > 0 => {
            let share = 100 * reached.at.min(total) / total;
            format!("{sound} of sound, {share:>3} % of the text")
        }
        _ => format!("{sound} of sound"),
    }
}

/// Hours, minutes and seconds.
pub(super) fn clock(time: Duration) -> String {
    let s = time.as_secs();
    format!("{}:{:02}:{:02}", s / 3_600, s / 60 % 60, s % 60)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn progress_is_time_and_share() {
        let reached = Reached {
            at: 50,
            samples: 24_000 * 3_725,
        };
        assert_eq!(told(reached, None), "1:02:05 of sound");
        assert_eq!(
            told(reached, Some(200)),
            "1:02:05 of sound,  25 % of the text"
        );
        assert_eq!(told(reached, Some(0)), "1:02:05 of sound");
    }

    #[test]
    fn a_file_tells_its_length_and_one_cut_short_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wav");
        for n in [0, 1, 30_000] {
            let mut recorder = Recorder::create(&path, Form::Wav, None).unwrap();
            recorder.take(&vec![0.25; n], Reached::default()).unwrap();
            recorder.finish().unwrap();
            let reader = hound::WavReader::open(&path).unwrap();
            assert_eq!(reader.duration() as usize, n);
        }
        let gone = Recorder::create(&folder.path().join("no/such.wav"), Form::Wav, None);
        let error = format!("{:#}", gone.err().unwrap());
        assert!(error.starts_with("cannot write"), "{error}");
    }
}
