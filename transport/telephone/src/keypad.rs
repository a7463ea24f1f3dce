//! Keys become what the caller means by them: one number, ended by `#`, by a pause, or by being
//! long enough. Pure: time is passed in.
use std::time::Duration;

/// How keys are gathered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeypadSettings {
    /// Ends a number at once and does not belong to it.
    pub terminator: char,
    /// A pause of this length ends a number.
    pub pause: Duration,
    /// This many keys are a number.
    pub most: usize,
}

impl Default for KeypadSettings {
    fn default() -> Self {
        KeypadSettings {
            terminator: '#',
            pause: Duration::from_secs(2),
            most: 32,
        }
    }
}

/// The keys of one caller.
#[derive(Debug)]
pub struct Keypad {
    settings: KeypadSettings,
    keys: String,
    due: Option<Duration>,
}

impl Keypad {
    /// Nothing was pressed yet.
    pub fn new(settings: KeypadSettings) -> Keypad {
        Keypad {
            settings,
            keys: String::new(),
            due: None,
        }
    }

    /// A key was pressed. Gives the number it completes, if it does.
    pub fn press(&mut self, now: Duration, key: char) -> Option<String> {
        if key == self.settings.terminator && !self.keys.is_empty() {
            return self.take();
        }
        self.keys.push(key);
        self.due = Some(now + self.settings.pause);
        if self.keys.len() >= self.settings.most {
            return self.take();
        }
        None
    }

    /// The number that a pause has completed.
    pub fn poll(&mut self, now: Duration) -> Option<String> {
        self.due.filter(|due| *due <= now)?;
        self.take()
    }

    fn take(&mut self) -> Option<String> {
        self.due = None;
        Some(std::mem::take(&mut self.keys)).filter(|keys| !keys.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pressed(script: &[(u64, char)], until: u64) -> Vec<(u64, String)> {
        let mut keypad = Keypad::new(KeypadSettings {
            most: 6,
            ..KeypadSettings::default()
        });
        let mut numbers = Vec::new();
        let mut script = script.iter().peekable();
        for ms in (0..until).step_by(20) {
            let now = Duration::from_millis(ms);
            numbers.extend(keypad.poll(now).map(|number| (ms, number)));
            while let Some((_, key)) = script.next_if(|(at, _)| *at <= ms) {
                numbers.extend(keypad.press(now, *key).map(|number| (ms, number)));
            }
        }
        numbers
    }

    #[test]
    fn a_number_ends_with_its_terminator_a_pause_or_its_length() {
        let typed = [(0, '4'), (500, '2'), (1_000, '7'), (1_200, '#')];
        assert_eq!(pressed(&typed, 5_000), [(1_200, "427".to_owned())]);
        assert_eq!(pressed(&typed[..3], 5_000), [(3_000, "427".to_owned())]);
        let long: Vec<(u64, char)> = (0..8).map(|n| (n * 100, '1')).collect();
        assert_eq!(
            pressed(&long, 5_000),
            [(500, "111111".to_owned()), (2_700, "11".to_owned())]
        );
    }

    #[test]
    fn a_terminator_alone_is_a_key() {
        assert_eq!(pressed(&[(0, '#')], 4_000), [(2_000, "#".to_owned())]);
        assert_eq!(pressed(&[], 4_000), []);
    }
}
