//! What goes on beside turns: slow tools, tool servers, replies outside the conversation, long
//! silences, hand-offs.
use super::*;
use crate::{
    engine::ToolChoice,
    turn::{Approval, AsideEvent, Character, Input, ServerCallError, ToolServer, Truncation},
};

/// Drives a conversation by facts and gathers what it orders and tells.
struct Stage {
    conversation: Conversation,
    now: SessionTime,
}

impl Stage {
    fn new(opening: Opening) -> Self {
        Self {
            conversation: Conversation::new(opening),
            now: SessionTime::default(),
        }
    }

    /// Lets time pass, deadline by deadline, and takes a fact.
    fn at(&mut self, ms: u64, event: TurnEvent) -> Vec<Action> {
        let at = SessionTime::from_millis(ms);
        let mut orders = Vec::new();
        while let Some(due) = self.conversation.deadline().filter(|due| *due <= at) {
            self.conversation.handle(due, TurnEvent::Tick);
            orders.extend(std::iter::from_fn(|| self.conversation.poll_action()));
        }
        self.conversation.handle(at, event);
        orders.extend(std::iter::from_fn(|| self.conversation.poll_action()));
        self.now = at;
        orders
    }

    fn command(&mut self, ms: u64, id: u64, command: Command) -> Vec<Action> {
        let id = CommandId(id);
        self.at(ms, TurnEvent::Command { id, command })
    }
}

fn told(orders: &[Action]) -> Vec<&CallEvent> {
    let told = orders.iter().filter_map(|order| match order {
        Action::Tell(event) => Some(event),
        _ => None,
    });
    told.collect()
}

fn prompt(orders: &[Action]) -> &crate::engine::Prompt {
    let found = orders.iter().find_map(|order| match order {
        Action::StartReply(order) => match &order.source {
            ReplySource::Model(prompt) => Some(prompt),
            ReplySource::Words(_) => None,
        },
        Action::StartAside(order) => Some(&order.prompt),
        _ => None,
    });
    found.unwrap_or_else(|| panic!("nothing is asked of the model: {orders:?}"))
}

fn refused(orders: &[Action]) -> Option<crate::turn::Refusal> {
    told(orders).into_iter().find_map(|event| match event {
        CallEvent::Refused { refusal, .. } => Some(*refusal),
        _ => None,
    })
}

fn call(name: &str) -> ToolCall {
    ToolCall {
        id: format!("c-{name}"),
        name: name.into(),
        arguments: "{}".into(),
    }
}

fn server(approval: Approval) -> ToolServer {
    ToolServer {
        label: "files".into(),
        url: "https://tools.example/mcp".into(),
        authorization: None,
        headers: Vec::new(),
        allowed: Some(vec!["read".into()]),
        approval,
    }
}

fn listed() -> TurnEvent {
    let tool = |name: &str| ToolSpec {
        name: name.into(),
        description: String::new(),
        parameters: "{}".into(),
        runs: ToolRuns::Here,
    };
    TurnEvent::ToolsListed {
        server: "files".into(),
        tools: Ok(vec![tool("read"), tool("erase")]),
    }
}

fn ended(epoch: u64) -> TurnEvent {
    TurnEvent::ReplyEnded {
        epoch: Epoch(epoch),
        end: ReplyEnd::default(),
    }
}

fn with_server(approval: Approval) -> Stage {
    let mut stage = Stage::new(Opening {
        tool_servers: vec![server(approval)],
        ..opening()
    });
    let orders = stage.at(0, TurnEvent::Tick);
    assert!(
        orders
            .iter()
            .any(|order| matches!(order, Action::ConnectTools(_)))
    );
    stage.at(10, listed());
    stage
}

#[test]
fn a_slow_tool_is_bridged_once_and_the_answer_still_comes() {
    let script = "0 type what time \n 100 call e1 clock \n 110 end e1";
    let bridge = "0 reply e1 leg 0 to 'what time'
         100 run clock c-clock
         1610 say e1 'One moment, please. '";
    check(&format!("{script} \n 3000 tick"), bridge);
    check(
        &format!(
            "{script} \n 1620 text e1 One moment, please.  \n 1630 end e1 \n 1640 tick
             9000 answer e1 clock"
        ),
        &format!("{bridge}\n 9000 reply e1 leg 1 to 'noon'"),
    );
    // The answer comes while the words are being written: they are finished first.
    check(
        &format!("{script} \n 1615 answer e1 clock \n 1620 text e1 One moment. \n 1630 end e1"),
        &format!("{bridge}\n 1630 reply e1 leg 1 to 'noon'"),
    );
    // A tool that is quick enough is not bridged.
    check(
        &format!("{script} \n 900 answer e1 clock \n 2500 tick"),
        "0 reply e1 leg 0 to 'what time'
         100 run clock c-clock
         900 reply e1 leg 1 to 'noon'",
    );
}

#[test]
fn a_servers_tool_is_called_and_its_answer_goes_on_the_reply() {
    let mut stage = with_server(Approval::Never);
    let orders = stage.command(100, 1, Command::Say("read it".into()));
    let names: Vec<_> = prompt(&orders)
        .tools
        .iter()
        .map(|t| t.name.as_str())
        .collect();
    assert_eq!(names, ["clock", "lamp", "read"], "'erase' is not allowed");
    let called = TurnEvent::ToolCalled {
        epoch: Epoch(1),
        call: call("read"),
    };
    let orders = stage.at(200, called);
    assert!(orders.iter().any(|order| matches!(order,
        Action::CallServer { server, call, .. } if server == "files" && call.name == "read")));
    stage.at(210, ended(1));
    let returned = TurnEvent::ServerReturned {
        epoch: Epoch(1),
        call: "c-read".into(),
        output: Err(ServerCallError::Tool("no such file".into())),
    };
    let orders = stage.at(300, returned);
    let last = prompt(&orders).messages.last().unwrap();
    assert_eq!(last.text, "the tool failed: no such file");
    assert!(
        told(&orders)
            .iter()
            .any(|event| matches!(event, CallEvent::ServerReturned { .. }))
    );
}

#[test]
fn a_call_that_must_be_allowed_waits_for_the_client() {
    for approve in [true, false] {
        let mut stage = with_server(Approval::Always);
        stage.command(100, 1, Command::Say("read it".into()));
        let called = TurnEvent::ToolCalled {
            epoch: Epoch(1),
            call: call("read"),
        };
        let orders = stage.at(200, called);
        let Some(CallEvent::ServerCalled {
            item,
            approval: true,
            ..
        }) = told(&orders).first()
        else {
            panic!("{orders:?}");
        };
        let request = item.clone();
        assert!(
            !orders
                .iter()
                .any(|order| matches!(order, Action::CallServer { .. }))
        );
        stage.at(210, ended(1));
        stage.at(
            220,
            TurnEvent::Played {
                epoch: Epoch(1),
                samples: 0,
                last: true,
            },
        );
        let answer = Command::Approve {
            id: Some("answer".into()),
            request: request.clone(),
            approve,
            reason: Some("not now".into()),
        };
        let orders = stage.command(300, 2, answer.clone());
        let asks = orders
            .iter()
            .any(|order| matches!(order, Action::CallServer { .. }));
        assert_eq!(asks, approve, "{orders:?}");
        if approve {
            let returned = TurnEvent::ServerReturned {
                epoch: Epoch(2),
                call: "c-read".into(),
                output: Ok("a letter".into()),
            };
            let orders = stage.at(400, returned);
            let messages = &prompt(&orders).messages;
            assert_eq!(messages.last().unwrap().text, "a letter");
            let calls = messages.iter().flat_map(|m| &m.tool_calls).count();
            assert_eq!(calls, 1, "the call is remembered once");
        } else {
            let messages = &prompt(&orders).messages;
            assert!(
                messages.iter().any(|m| m.text.contains("not now")),
                "{messages:?}"
            );
        }
        let orders = stage.command(500, 3, answer);
        assert_eq!(refused(&orders), Some(crate::turn::Refusal::NoSuchRequest));
    }
}

#[test]
fn servers_that_are_not_named_any_more_are_forgotten() {
    let mut stage = with_server(Approval::Never);
    let same = Settings {
        tool_servers: Some(vec![server(Approval::Never)]),
        ..Settings::default()
    };
    let orders = stage.command(20, 1, Command::Configure(same));
    assert!(
        !orders
            .iter()
            .any(|order| matches!(order, Action::ConnectTools(_)))
    );
    let none = Settings {
        tool_servers: Some(Vec::new()),
        ..Settings::default()
    };
    let orders = stage.command(30, 2, Command::Configure(none));
    assert!(
        orders
            .iter()
            .any(|order| matches!(order, Action::ForgetTools { .. }))
    );
    let orders = stage.command(40, 3, Command::Say("hello".into()));
    assert!(prompt(&orders).tools.iter().all(|tool| tool.name != "read"));
    assert_eq!(stage.at(50, listed()).len(), 0, "a late answer is ignored");
}

#[test]
fn a_reply_outside_the_conversation_is_not_remembered_and_disturbs_nothing() {
    let mut stage = Stage::new(opening());
    stage.command(0, 1, Command::Say("hello".into()));
    let aside = Command::Respond(ReplyOptions {
        aside: true,
        spoken: Some(false),
        instructions: Some("Sum up.".into()),
        input: Some(vec![
            Input::Message(Message::new(Role::User, "one")),
            Input::Item("item_0001".into()),
        ]),
        ..ReplyOptions::default()
    });
    let orders = stage.command(10, 9, aside.clone());
    let asked = prompt(&orders);
    let texts: Vec<_> = asked.messages.iter().map(|m| m.text.as_str()).collect();
    assert_eq!(texts, ["Sum up.", "one hello"]);
    assert_eq!(asked.tools.len(), 1, "only the client's");
    assert_eq!(
        stage.conversation.replying(),
        Some(Epoch(1)),
        "the reply goes on"
    );
    let said = |event| TurnEvent::Aside {
        id: CommandId(9),
        event,
    };
    assert_eq!(
        told(&stage.at(20, said(AsideEvent::Text("x".into())))).len(),
        1
    );
    let over = AsideEvent::Ended {
        outcome: ReplyOutcome::Completed,
        end: ReplyEnd::default(),
    };
    stage.at(30, said(over));
    assert_eq!(
        told(&stage.at(40, said(AsideEvent::Text("late".into())))).len(),
        0
    );
    assert_eq!(stage.conversation.history().items().len(), 1);
    for id in 10..14 {
        assert_eq!(refused(&stage.command(50, id, aside.clone())), None);
    }
    let orders = stage.command(60, 14, aside);
    assert_eq!(refused(&orders), Some(crate::turn::Refusal::TooManyAsides));
    let orders = stage.command(70, 15, Command::CancelAside(CommandId(10)));
    assert!(matches!(orders[0], Action::CancelAside(CommandId(10))));
    let orders = stage.at(80, TurnEvent::CallEnded(EndReason::CallerLeft));
    let closed = |event: &&&CallEvent| matches!(event, CallEvent::Aside { .. });
    assert_eq!(
        told(&orders).iter().filter(closed).count(),
        3,
        "each ends with the call"
    );
}

#[test]
fn a_reply_has_its_own_tools_voice_limit_and_context() {
    let mut stage = Stage::new(Opening {
        voice: Some("a".into()),
        max_tokens: Some(5),
        ..opening()
    });
    let own = ToolSpec {
        name: "own".into(),
        description: String::new(),
        parameters: "{}".into(),
        runs: ToolRuns::AtClient,
    };
    let options = ReplyOptions {
        tools: Some(vec![own]),
        tool_choice: Some(ToolChoice::Required),
        voice: Some("b".into()),
        max_tokens: Some(None),
        input: Some(Vec::new()),
        ..ReplyOptions::default()
    };
    let orders = stage.command(0, 1, Command::Respond(options.clone()));
    let asked = prompt(&orders);
    let names: Vec<_> = asked.tools.iter().map(|tool| tool.name.as_str()).collect();
    assert_eq!(names, ["clock", "own"]);
    assert_eq!(
        (asked.max_tokens, &asked.tool_choice),
        (None, &ToolChoice::Required)
    );
    assert!(asked.messages.is_empty());
    let voiced = orders.iter().any(
        |order| matches!(order, Action::StartReply(order) if order.voice.as_deref() == Some("b")),
    );
    assert!(voiced);
    stage.command(10, 2, Command::Cancel);
    let orders = stage.command(20, 3, Command::Say("hi".into()));
    let asked = prompt(&orders);
    assert_eq!(
        (asked.tools.len(), asked.max_tokens),
        (2, Some(5)),
        "only for that reply"
    );
    stage.command(30, 4, Command::Cancel);
    let lost = ReplyOptions {
        input: Some(vec![Input::Item("nobody".into())]),
        ..ReplyOptions::default()
    };
    let orders = stage.command(40, 5, Command::Respond(lost));
    assert_eq!(refused(&orders), Some(crate::turn::Refusal::NoSuchInput(0)));
}

#[test]
fn a_long_silence_is_committed_and_answered_by_the_model() {
    let mut opening = opening();
    opening.policy.idle = Some(Duration::from_secs(5));
    opening.policy.idle_by_model = true;
    let mut stage = Stage::new(opening);
    stage.command(0, 1, Command::Say("hello".into()));
    let last = TurnEvent::Played {
        epoch: Epoch(1),
        samples: 480,
        last: true,
    };
    stage.at(1_000, last);
    let orders = stage.at(6_100, TurnEvent::Tick);
    let events = told(&orders);
    assert!(matches!(events[0], CallEvent::IdleTimeout { idle, .. } if idle.as_secs() == 5));
    assert!(matches!(events[1], CallEvent::Committed { .. }));
    assert_eq!(prompt(&orders).messages.last().unwrap().text, "hello");
}

#[test]
fn a_hand_off_waits_until_the_reply_was_heard_and_then_another_greets() {
    let mut stage = Stage::new(opening());
    stage.command(0, 1, Command::Say("a story".into()));
    let called = TurnEvent::ToolCalled {
        epoch: Epoch(1),
        call: call("clock"),
    };
    stage.at(10, called);
    stage.at(20, ended(1));
    let returned = TurnEvent::ToolReturned {
        epoch: Epoch(1),
        call: "c-clock".into(),
        output: "handing over".into(),
        effect: ToolEffect::HandOff("teller".into()),
    };
    stage.at(30, returned);
    stage.at(40, ended(1));
    let last = TurnEvent::Played {
        epoch: Epoch(1),
        samples: 480,
        last: true,
    };
    let orders = stage.at(50, last);
    assert_eq!(orders.last(), Some(&Action::SwitchPersona("teller".into())));
    let teller = Character {
        name: "teller".into(),
        instructions: "Tell stories.".into(),
        greeting: Some("Once upon a time.".into()),
        voice: Some("rms".into()),
        tools: Vec::new(),
    };
    let orders = stage.at(60, TurnEvent::PersonaChanged(teller));
    let greets = orders.iter().any(|order| {
        matches!(order, Action::StartReply(order) if order.voice.as_deref() == Some("rms")
            && order.source == ReplySource::Words("Once upon a time.".into()))
    });
    assert!(greets, "{orders:?}");
    let orders = stage.command(70, 2, Command::Say("go on".into()));
    let asked = prompt(&orders);
    assert_eq!(asked.messages[0].text, "Tell stories.");
    let names: Vec<_> = asked.tools.iter().map(|tool| tool.name.as_str()).collect();
    assert_eq!(names, ["lamp"], "the client's tools stay");
}

#[test]
fn a_conversation_that_is_too_long_fails_or_leaves_out_many_items_at_once() {
    let say = |stage: &mut Stage, n: u64| {
        let orders = stage.command(n * 10, n, Command::Say(format!("number {n:03}")));
        stage.command(n * 10 + 5, n, Command::Cancel);
        orders
    };
    let limited = |truncation| Opening {
        context_chars: 50,
        truncation,
        ..opening()
    };
    let mut stage = Stage::new(limited(Truncation::Disabled));
    let failed = (1..9).any(|n| {
        let orders = say(&mut stage, n);
        told(&orders).iter().any(|event| {
            matches!(
                event,
                CallEvent::ReplyEnded {
                    outcome: ReplyOutcome::Failed(_),
                    ..
                }
            )
        })
    });
    assert!(failed);
    let keep = Truncation::Ratio {
        keep: 0.5,
        chars: None,
    };
    let mut stage = Stage::new(limited(keep));
    let mut firsts: Vec<String> = (1..20)
        .map(|n| {
            let orders = say(&mut stage, n);
            let text = &prompt(&orders).messages[0].text;
            text[..10].to_owned()
        })
        .collect();
    firsts.dedup();
    assert!(
        firsts.len() < 10,
        "the beginning stays the same for long: {firsts:?}"
    );
    assert!(firsts.len() > 2, "{firsts:?}");
}
