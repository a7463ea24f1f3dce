//! What the caller's side asks for, and what the recogniser is told.
use super::*;

#[test]
fn turns_by_hand() {
    let mut opening = opening();
    opening.policy.mode = TurnMode::Manual;
    expect(
        run(
            opening,
            "0 partial hello \n 100 commit \n 110 respond \n 200 final hello you \n 300 respond \n 400 cancel \n 500 cancel",
            true,
        ),
        "100 told committed item_0001
         100 finish hearing
         200 told said item_0001 'hello you'
         200 told reply item_0002
         200 reply e1 leg 0 to 'hello you'
         300 told refused ReplyActive
         400 interrupt e2
         400 told ended item_0002 Cancelled ''
         500 told refused NoReply",
    );
}

#[test]
fn asking_before_the_turn_is_over_answers_what_was_said() {
    check(
        "0 speech+ \n 500 partial what time \n 600 respond \n 700 final what time is it",
        "600 finish hearing
         700 reply e1 leg 0 to 'what time is it'",
    );
}

#[test]
fn clearing_forgets_the_words() {
    check_told(
        "0 speech+ \n 500 partial what time \n 600 clear \n 3000 tick",
        "0 told started item_0001
         600 told stopped item_0001
         600 told discarded item_0001
         600 forget hearing",
    );
}

#[test]
fn items_are_added_and_truncated_by_name() {
    check_told(
        "0 item a hello \n 1 item a hello \n 2 truncate a 100 \n 3 truncate b 100 \n 4 respond",
        "1 told refused DuplicateItem
         2 told refused NotSpoken
         3 told refused NoSuchItem
         4 told reply item_0001
         4 reply e1 leg 0 to 'hello'",
    );
}

#[test]
fn a_reply_that_may_not_be_interrupted_is_answered_afterwards() {
    let mut opening = opening();
    opening.policy.interrupt = false;
    expect(
        run(
            opening,
            &format!(
                "{ASK}\n 1600 speech+ \n 2000 partial and you \n 2200 speech- \n 2300 final and you \n 2400 last e1 \n 2410 eot 0.9"
            ),
            false,
        ),
        &format!("{ASKED}\n 2400 assess 'and you' \n 2410 reply e2 leg 0 to 'and you'"),
    );
}

#[test]
fn the_caller_leaves() {
    check_told(
        "0 type hello \n 10 gone \n 20 type hello",
        "0 told reply item_0002
         0 reply e1 leg 0 to 'hello'
         10 interrupt e2
         10 told ended item_0002 Interrupted ''
         10 told over CallerLeft
         10 end call",
    );
}

#[test]
fn what_is_known_of_the_words_comes_with_them_once() {
    let word = |text: &str, end: u64| HeardWord {
        text: text.into(),
        start: Duration::from_millis(end - 80),
        end: Duration::from_millis(end),
        confidence: 0.5,
    };
    let mut conversation = Conversation::new(opening());
    let mut said = Vec::new();
    for turn in 0..2 {
        let now = |ms: u64| SessionTime::from_millis(turn * 60_000 + ms);
        let at = Duration::ZERO;
        conversation.handle(now(0), TurnEvent::SpeechStarted { at });
        let silence = Duration::ZERO;
        conversation.handle(now(900), TurnEvent::SpeechEnded { at, silence });
        for (ms, text) in [(910, "what"), (920, "time")] {
            let final_words = Transcript {
                text: text.into(),
                words: vec![word(text, ms)],
            };
            conversation.handle(now(ms), TurnEvent::Final(final_words));
        }
        conversation.handle(now(10_000), TurnEvent::Tick);
        while let Some(action) = conversation.poll_action() {
            if let Action::Tell(CallEvent::UserSaid { text, words, .. }) = action {
                said.push((text, words));
            }
        }
    }
    let words = vec![word("what", 910), word("time", 920)];
    assert_eq!(said[0], ("what time".to_owned(), words.clone()));
    assert!(said[1..].iter().all(|(_, later)| *later == words));
}

#[test]
fn the_recogniser_is_told_how_to_hear_at_the_beginning_and_when_it_changes() {
    let tuned = |conversation: &mut Conversation| {
        let mut all = Vec::new();
        while let Some(action) = conversation.poll_action() {
            if let Action::TuneHearing(options) = action {
                all.push(options.delay.unwrap().as_millis());
            }
        }
        all
    };
    let hearing = |ms| HearingOptions {
        delay: Some(Duration::from_millis(ms)),
        language: None,
    };
    let mut conversation = Conversation::new(Opening {
        hearing: hearing(960),
        ..opening()
    });
    assert_eq!(tuned(&mut conversation), [960]);
    for (ms, want) in [(960, vec![]), (240, vec![240])] {
        let settings = Settings {
            hearing: Some(hearing(ms)),
            ..Settings::default()
        };
        let configure = TurnEvent::Command {
            id: CommandId(0),
            command: Command::Configure(settings),
        };
        conversation.handle(SessionTime::default(), configure);
        assert_eq!(tuned(&mut conversation), want);
    }
}
