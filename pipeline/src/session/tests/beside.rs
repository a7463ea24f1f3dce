//! What goes on beside the reply of a whole call: replies outside the conversation, tool servers,
//! hand-offs.
use super::*;
use voiced_core::turn::{Approval, AsideEvent, ReplyOptions};

/// Reads events until one is what is wanted; the others are left behind.
async fn until<T>(handle: &mut CallHandle, mut wanted: impl FnMut(CallEvent) -> Option<T>) -> T {
    let mut tick = interval(Duration::from_millis(20));
    loop {
        tokio::select! {
            event = handle.events.recv() => {
                if let Some(found) = wanted(event.expect("the call goes on")) {
                    return found;
                }
            }
            // Somebody plays what is said, or it would never end.
            _ = tick.tick() => drop(handle.speaker.pull()),
        }
    }
}

async fn order(handle: &CallHandle, id: u64, command: Command) {
    handle
        .commands
        .send((CommandId(id), command))
        .await
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_reply_outside_the_conversation_is_written_and_sounds_beside_the_other() {
    let (calls, _drain, freed) = desk(2);
    let mut handle = calls.begin(request()).await.unwrap();
    let aside = Command::Respond(ReplyOptions {
        aside: true,
        ..ReplyOptions::default()
    });
    order(&handle, 1, Command::Say("go on".into())).await;
    order(&handle, 2, aside.clone()).await;
    let (mut text, mut samples) = (String::new(), 0);
    let outcome = until(&mut handle, |event| {
        let CallEvent::Aside { id, event } = event else {
            return None;
        };
        assert_eq!(id, CommandId(2));
        match event {
            AsideEvent::Text(more) => text.push_str(&more),
            AsideEvent::Audio(more) => samples += more.len(),
            AsideEvent::Ended { outcome, .. } => return Some(outcome),
            _ => {}
        }
        None
    })
    .await;
    assert_eq!(outcome, ReplyOutcome::Completed);
    assert!(text.ends_with("number 39 of the reply. "), "{text}");
    assert!(
        samples >= 40 * 12_000,
        "half a second a sentence: {samples}"
    );
    // One that is cancelled frees its row.
    order(&handle, 3, Command::Cancel).await;
    order(&handle, 4, aside).await;
    let is_text = |event| match event {
        CallEvent::Aside {
            id: CommandId(4),
            event: AsideEvent::Text(_),
        } => Some(()),
        _ => None,
    };
    until(&mut handle, is_text).await;
    let before = freed.lock().unwrap().len();
    order(&handle, 5, Command::CancelAside(CommandId(4))).await;
    let is_over = |event| match event {
        CallEvent::Aside {
            event: AsideEvent::Ended { outcome, .. },
            ..
        } => Some(outcome),
        _ => None,
    };
    let outcome = until(&mut handle, is_over).await;
    assert_eq!(outcome, ReplyOutcome::Cancelled);
    let mut tick = interval(Duration::from_millis(100));
    for _ in 0..5 {
        tick.tick().await;
    }
    assert!(before < freed.lock().unwrap().len(), "its row is free");
}

fn server(url: &str) -> ToolServer {
    ToolServer {
        label: "tools".into(),
        url: url.into(),
        authorization: None,
        headers: Vec::new(),
        allowed: None,
        approval: Approval::Never,
    }
}

#[tokio::test(start_paused = true)]
async fn tool_servers_are_listed_and_called() {
    let (calls, _drain, _freed) = desk(2);
    let settings = Settings {
        tool_servers: Some(vec![server("https://somewhere/mcp")]),
        ..Settings::default()
    };
    let mut handle = calls
        .begin(CallRequest {
            settings,
            ..request()
        })
        .await
        .unwrap();
    let listed = |event| match event {
        CallEvent::ToolsListed { tools, .. } => Some(tools),
        _ => None,
    };
    let tools = until(&mut handle, listed).await.unwrap();
    assert_eq!(tools[0].name, "echo");
    order(&handle, 1, Command::Say("echo tool".into())).await;
    let returned = |event| match event {
        CallEvent::ServerReturned { output, .. } => Some(output),
        _ => None,
    };
    assert_eq!(until(&mut handle, returned).await, Ok("{}".into()));
    let named_anew = Settings {
        tool_servers: Some(vec![server("https://nowhere/mcp")]),
        ..Settings::default()
    };
    order(&handle, 2, Command::Configure(named_anew)).await;
    let error = until(&mut handle, listed).await.unwrap_err();
    assert_eq!(error, "nobody is there");
}

#[tokio::test(start_paused = true)]
async fn another_persona_goes_on_after_a_hand_off() {
    let (calls, _drain, _freed) = desk(2);
    let mut handle = calls.begin(request()).await.unwrap();
    order(&handle, 1, Command::Say("tool hand".into())).await;
    let handed = |event| match event {
        CallEvent::HandedOff { persona, .. } => Some(persona),
        _ => None,
    };
    assert_eq!(until(&mut handle, handed).await, "other");
    let said = |event| match event {
        CallEvent::ReplyEnded { written, .. } => Some(written),
        _ => None,
    };
    assert_eq!(until(&mut handle, said).await, "Hello there, caller.");
}
