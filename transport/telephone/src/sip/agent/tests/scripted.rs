//! One agent and a far end whose every message is written here.
use super::*;
use crate::sip::{
    agent::{LegEnd, LegId},
    digest::{Account, Challenge},
};

const PEER: &str = "127.0.0.1:5070";

struct Script {
    agent: UserAgent,
    peer: Flow,
    branch: u32,
}

impl Script {
    fn new() -> Script {
        Script::with(settings("127.0.0.1:5060"), PEER)
    }

    fn with(settings: AgentSettings, peer: &str) -> Script {
        Script {
            agent: UserAgent::new(settings),
            peer: flow(peer),
            branch: 0,
        }
    }

    /// A request of the far end; `to_tag` empty for one outside of a dialog.
    fn says(
        &mut self,
        now: f64,
        method: &str,
        cseq: u32,
        to_tag: &str,
        more: &str,
        body: &str,
    ) -> (Vec<String>, Vec<Told>) {
        if method != "CANCEL" {
            self.branch += 1;
        }
        self.repeats(now, method, cseq, to_tag, more, body)
    }

    /// The same in the branch of the last one.
    fn repeats(
        &mut self,
        now: f64,
        method: &str,
        cseq: u32,
        to_tag: &str,
        more: &str,
        body: &str,
    ) -> (Vec<String>, Vec<Told>) {
        let tag = if to_tag.is_empty() {
            String::new()
        } else {
            format!(";tag={to_tag}")
        };
        let remote = self.peer.remote;
        let kind = if body.is_empty() || more.contains("Content-Type") {
            ""
        } else {
            "Content-Type: application/sdp\r\n"
        };
        let message = format!(
            "{method} sip:voiced@127.0.0.1:5060 SIP/2.0\r\n\
             Via: SIP/2.0/UDP {remote};branch=z9hG4bKp{};rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:peer@{remote}>;tag=peer\r\n\
             To: <sip:voiced@127.0.0.1:5060>{tag}\r\nCall-ID: call\r\nCSeq: {cseq} {method}\r\n\
             Contact: <sip:peer@{remote}>\r\n{kind}{more}Content-Length: {}\r\n\r\n{body}",
            self.branch,
            body.len(),
        );
        self.agent.received(at(now), self.peer, message.as_bytes());
        drain(&mut self.agent)
    }

    /// The far end answers a request of ours.
    fn answers(
        &mut self,
        now: f64,
        request: &str,
        status: &str,
        to_tag: &str,
        more: &str,
        body: &str,
    ) -> (Vec<String>, Vec<Told>) {
        let to = header(request, "To");
        let tag = if to.contains("tag=") || to_tag.is_empty() {
            String::new()
        } else {
            format!(";tag={to_tag}")
        };
        let remote = self.peer.remote;
        let kind = if body.is_empty() {
            ""
        } else {
            "Content-Type: application/sdp\r\n"
        };
        let message = format!(
            "SIP/2.0 {status}\r\nVia: {}\r\nFrom: {}\r\nTo: {to}{tag}\r\nCall-ID: {}\r\nCSeq: {}\r\n\
             Contact: <sip:peer@{remote}>\r\n{kind}{more}Content-Length: {}\r\n\r\n{body}",
            header(request, "Via"),
            header(request, "From"),
            header(request, "Call-ID"),
            header(request, "CSeq"),
            body.len(),
        );
        self.agent.received(at(now), self.peer, message.as_bytes());
        drain(&mut self.agent)
    }

    fn tick(&mut self, now: f64) -> (Vec<String>, Vec<Told>) {
        self.agent.tick(at(now));
        drain(&mut self.agent)
    }

    /// A call that comes in and is taken at second 0; gives its leg and our tag.
    fn taken(&mut self, more: &str) -> (LegId, String) {
        let (sent, told) = self.says(0.0, "INVITE", 1, "", more, SDP);
        assert_eq!(heads(&sent), ["SIP/2.0 100 Trying"]);
        let [Told::Incoming { leg, .. }] = told[..] else {
            panic!("{told:?}")
        };
        self.agent.accept(at(0.0), leg, SDP);
        let (sent, _) = drain(&mut self.agent);
        assert_eq!(heads(&sent), ["SIP/2.0 200 OK"]);
        let tag = header(&sent[0], "To")
            .split("tag=")
            .nth(1)
            .unwrap()
            .to_owned();
        let (_, told) = self.says(0.0, "ACK", 1, &tag, "", "");
        assert!(matches!(told[..], [Told::Acknowledged { .. }]), "{told:?}");
        (leg, tag)
    }

    /// A call of ours that is taken at second 0; gives its leg.
    fn called(&mut self, more: &str) -> LegId {
        let leg = self.calls(None);
        let (sent, _) = drain(&mut self.agent);
        let (sent, told) = self.answers(0.0, &sent[0], "200 OK", "t", more, SDP);
        assert!(heads(&sent)[0].starts_with("ACK"));
        assert!(
            matches!(told[..], [Told::Answered { sdp: Some(_), .. }]),
            "{told:?}"
        );
        leg
    }

    fn calls(&mut self, account: Option<Account>) -> LegId {
        let flow = self.peer;
        self.agent.invite(
            at(0.0),
            crate::sip::agent::Invite {
                target: crate::sip::uri::Uri::parse("sip:bob@127.0.0.1:5070").unwrap(),
                flow,
                from: crate::sip::uri::Uri::parse("sip:voiced@127.0.0.1").unwrap(),
                offer: SDP.into(),
                account,
                headers: Default::default(),
            },
        )
    }
}

#[test]
fn a_stranger_hears_nothing_at_all() {
    let mut script = Script::with(settings("127.0.0.1:5060"), "203.0.113.9:5060");
    for method in [
        "OPTIONS", "INVITE", "REGISTER", "BYE", "ACK", "CANCEL", "MESSAGE",
    ] {
        assert_eq!(
            script.says(0.0, method, 1, "", "", "").0,
            Vec::<String>::new(),
            "{method}"
        );
    }
    assert_eq!(script.agent.dropped().strangers, 7);
}

#[test]
fn with_an_account_a_stranger_is_asked_once_and_only_for_calls() {
    let account = Account {
        user: "office".into(),
        password: "secret".into(),
    };
    let accounts = vec![account.clone()];
    let settings = AgentSettings {
        accounts,
        ..settings("127.0.0.1:5060")
    };
    let mut script = Script::with(settings, "203.0.113.9:5060");
    assert!(script.says(0.0, "OPTIONS", 1, "", "", "").0.is_empty());
    let (sent, told) = script.says(0.0, "INVITE", 1, "", "", SDP);
    assert_eq!(heads(&sent), ["SIP/2.0 401 Unauthorized"]);
    assert!(told.is_empty());
    let tag = header(&sent[0], "To")
        .split("tag=")
        .nth(1)
        .unwrap()
        .to_owned();
    script.repeats(0.0, "ACK", 1, &tag, "", "");
    let challenge = Challenge::best([header(&sent[0], "WWW-Authenticate")].into_iter()).unwrap();
    let wrong = Account {
        password: "guess".into(),
        ..account.clone()
    };
    for (who, status) in [
        (&wrong, "SIP/2.0 401 Unauthorized"),
        (&account, "SIP/2.0 100 Trying"),
    ] {
        let answer = challenge.answer(who, "INVITE", "sip:voiced@127.0.0.1:5060", 1, "c");
        let (sent, _) = script.says(
            0.0,
            "INVITE",
            2,
            "",
            &format!("Authorization: {answer}\r\n"),
            SDP,
        );
        assert_eq!(heads(&sent), [status]);
    }
    let flood = (0..50)
        .filter(|_| !script.says(0.0, "INVITE", 1, "", "", SDP).0.is_empty())
        .count();
    assert!(flood < 10, "the rate limit holds: {flood}");
}

#[test]
fn an_answer_is_repeated_until_it_is_acknowledged() {
    let mut script = Script::new();
    let (_, told) = script.says(0.0, "INVITE", 1, "", "", SDP);
    let leg = told[0].leg().unwrap();
    script.agent.accept(at(0.0), leg, SDP);
    let (first, _) = drain(&mut script.agent);
    let tag = header(&first[0], "To")
        .split("tag=")
        .nth(1)
        .unwrap()
        .to_owned();
    // At 0.5, 1.5, 3.5 s …
    let mut times = Vec::new();
    for step in 0..40 {
        let now = f64::from(step) * 0.1;
        if script.tick(now).0.contains(&first[0]) {
            times.push(step);
        }
    }
    assert_eq!(times, [5, 15, 35]);
    let (sent, told) = script.says(4.0, "ACK", 1, &tag, "", "");
    assert!(sent.is_empty() && matches!(told[..], [Told::Acknowledged { .. }]));
    assert!(script.tick(10.0).0.is_empty(), "it is repeated no more");
    assert!(
        script.says(10.0, "ACK", 1, &tag, "", "").1.is_empty(),
        "a second one is no news"
    );
}

#[test]
fn a_call_nobody_acknowledges_is_ended() {
    let mut script = Script::new();
    let (_, told) = script.says(0.0, "INVITE", 1, "", "", SDP);
    let leg = told[0].leg().unwrap();
    script.agent.accept(at(0.0), leg, SDP);
    drain(&mut script.agent);
    let (mut sent, mut told) = (Vec::new(), Vec::new());
    for second in 1..40 {
        let (more, facts) = script.tick(f64::from(second));
        sent.extend(more);
        told.extend(facts);
    }
    assert!(heads(&sent).iter().any(|head| head.starts_with("BYE")));
    assert!(
        matches!(
            told[..],
            [Told::Ended {
                end: LegEnd::Lost,
                ..
            }]
        ),
        "{told:?}"
    );
}

#[test]
fn repeated_requests_are_answered_once_and_told_once() {
    let mut script = Script::new();
    let (_, told) = script.says(0.0, "INVITE", 1, "", "", SDP);
    assert_eq!(told.len(), 1);
    let (sent, told) = script.repeats(0.5, "INVITE", 1, "", "", SDP);
    assert_eq!(heads(&sent), ["SIP/2.0 100 Trying"]);
    assert!(told.is_empty());
    let (sent, _) = script.says(1.0, "INVITE", 1, "", "", SDP);
    assert_eq!(
        heads(&sent),
        ["SIP/2.0 482 Loop Detected"],
        "the same call by another way"
    );
}

#[test]
fn a_caller_who_gives_up_is_let_go() {
    let mut script = Script::new();
    let (_, told) = script.says(0.0, "INVITE", 1, "", "", SDP);
    let leg = told[0].leg().unwrap();
    script.agent.ring(at(0.0), leg);
    assert_eq!(heads(&drain(&mut script.agent).0), ["SIP/2.0 180 Ringing"]);
    let (sent, told) = script.says(1.0, "CANCEL", 1, "", "", "");
    assert_eq!(
        heads(&sent),
        ["SIP/2.0 200 OK", "SIP/2.0 487 Request Terminated"]
    );
    assert!(matches!(
        told[..],
        [Told::Ended {
            end: LegEnd::Cancelled,
            ..
        }]
    ));
    script.agent.accept(at(1.0), leg, SDP);
    assert!(
        drain(&mut script.agent).0.is_empty(),
        "it is too late to answer"
    );
    assert_eq!(script.agent.n_legs(), 0);
}

#[test]
fn a_cancel_that_comes_too_late_changes_nothing() {
    let mut script = Script::new();
    let (_, told) = script.says(0.0, "INVITE", 1, "", "", SDP);
    let leg = told[0].leg().unwrap();
    script.agent.accept(at(0.1), leg, SDP);
    let (sent, _) = drain(&mut script.agent);
    let tag = header(&sent[0], "To")
        .split("tag=")
        .nth(1)
        .unwrap()
        .to_owned();
    let (sent, told) = script.says(0.1, "CANCEL", 1, "", "", "");
    assert_eq!(heads(&sent), ["SIP/2.0 200 OK"]);
    assert!(told.is_empty());
    script.says(0.2, "ACK", 1, &tag, "", "");
    let (sent, told) = script.says(0.2, "BYE", 2, &tag, "", "");
    assert_eq!(heads(&sent), ["SIP/2.0 200 OK"]);
    assert!(matches!(
        told[..],
        [Told::Ended {
            end: LegEnd::TheyHungUp,
            ..
        }]
    ));
    assert_eq!(
        heads(&script.says(0.3, "CANCEL", 9, "", "", "").0),
        ["SIP/2.0 481 Call/Transaction Does Not Exist"]
    );
}

#[test]
fn an_invite_without_an_offer_gets_ours() {
    let mut script = Script::new();
    let (_, told) = script.says(0.0, "INVITE", 1, "", "", "");
    let Told::Incoming { leg, invitation } = &told[0] else {
        panic!()
    };
    assert_eq!(invitation.offer, None);
    script.agent.accept(at(0.0), *leg, SDP);
    let (sent, _) = drain(&mut script.agent);
    let tag = header(&sent[0], "To")
        .split("tag=")
        .nth(1)
        .unwrap()
        .to_owned();
    let (_, told) = script.says(0.1, "ACK", 1, &tag, "", SDP);
    assert!(matches!(&told[..], [Told::Acknowledged { sdp: Some(sdp), .. }] if sdp == SDP));
}

#[test]
fn holding_and_glare() {
    let mut script = Script::new();
    let (leg, tag) = script.taken("");
    let (sent, told) = script.says(5.0, "INVITE", 2, &tag, "", SDP);
    assert!(sent.is_empty(), "it is answered when the media are");
    assert!(matches!(told[..], [Told::Offered { sdp: Some(_), .. }]));
    assert_eq!(
        heads(&script.says(5.0, "INVITE", 3, &tag, "", SDP).0),
        ["SIP/2.0 500 Server Internal Error"],
        "one at a time"
    );
    script.agent.answer_offer(at(5.0), leg, Some(SDP));
    assert_eq!(heads(&drain(&mut script.agent).0), ["SIP/2.0 200 OK"]);
    script.says(5.1, "ACK", 2, &tag, "", "");
    script.says(6.0, "INVITE", 4, &tag, "", SDP);
    script.agent.answer_offer(at(6.0), leg, None);
    assert_eq!(
        heads(&drain(&mut script.agent).0),
        ["SIP/2.0 488 Not Acceptable Here"]
    );
    assert_eq!(
        heads(&script.says(7.0, "INFO", 3, &tag, "", "").0),
        ["SIP/2.0 500 Server Internal Error"],
        "numbers count up"
    );
    assert_eq!(
        heads(&script.says(8.0, "BYE", 9, &tag, "", "").0),
        ["SIP/2.0 200 OK"]
    );
    assert_eq!(
        heads(&script.says(9.0, "BYE", 10, &tag, "", "").0),
        ["SIP/2.0 481 Call/Transaction Does Not Exist"]
    );
}

#[test]
fn a_session_nobody_refreshes_ends() {
    let mut script = Script::new();
    let (sent, _) = script.says(
        0.0,
        "INVITE",
        1,
        "",
        "Session-Expires: 60\r\nSupported: timer\r\n",
        SDP,
    );
    assert_eq!(heads(&sent), ["SIP/2.0 422 Session Interval Too Small"]);
    assert_eq!(header(&sent[0], "Min-SE"), "90");
    let (_, tag) = script.taken("Session-Expires: 90;refresher=uac\r\nSupported: timer\r\n");
    let (sent, _) = script.says(
        50.0,
        "UPDATE",
        2,
        &tag,
        "Session-Expires: 90;refresher=uac\r\nSupported: timer\r\n",
        "",
    );
    assert_eq!(header(&sent[0], "Session-Expires"), "90;refresher=uac");
    assert!(script.tick(105.0).1.is_empty(), "it was refreshed");
    let (sent, told) = script.tick(111.0);
    assert!(heads(&sent)[0].starts_with("BYE"), "{sent:?}");
    assert!(matches!(
        told[..],
        [Told::Ended {
            end: LegEnd::Lost,
            ..
        }]
    ));
}

#[test]
fn we_refresh_where_it_is_ours_to() {
    let mut script = Script::new();
    let leg = script.called("Session-Expires: 90;refresher=uac\r\nAllow: INVITE, UPDATE\r\n");
    let (sent, _) = script.tick(45.0);
    assert!(heads(&sent)[0].starts_with("UPDATE"), "{sent:?}");
    script.answers(45.1, &sent[0], "405 Method Not Allowed", "t", "", "");
    let (sent, _) = script.tick(45.2);
    assert!(
        heads(&sent)[0].starts_with("INVITE"),
        "whoever does not know UPDATE is asked so"
    );
    let (sent, told) = script.answers(45.3, &sent[0], "200 OK", "t", "", SDP);
    assert!(heads(&sent)[0].starts_with("ACK") && told.is_empty());
    let (sent, _) = script.tick(91.0);
    assert!(heads(&sent)[0].starts_with("INVITE"), "and again: {sent:?}");
    script.answers(91.1, &sent[0], "491 Request Pending", "t", "", "");
    let (sent, _) = script.tick(92.5);
    assert!(
        heads(&sent)[0].starts_with("INVITE"),
        "after a collision: {sent:?}"
    );
    script.agent.hang_up(at(93.0), leg);
}

#[test]
fn credentials_are_given_once_and_again_when_stale() {
    let account = Some(Account {
        user: "voiced".into(),
        password: "secret".into(),
    });
    for (challenge, header_name) in [
        ("401 Unauthorized", "WWW-Authenticate"),
        ("407 Proxy Authentication Required", "Proxy-Authenticate"),
    ] {
        let mut script = Script::new();
        script.calls(account.clone());
        let (sent, _) = drain(&mut script.agent);
        let ask = |nonce: &str, stale: &str| {
            format!("{header_name}: Digest realm=\"x\", nonce=\"{nonce}\", qop=\"auth\"{stale}\r\n")
        };
        let (sent, _) = script.answers(0.1, &sent[0], challenge, "a", &ask("n1", ""), "");
        assert_eq!(
            heads(&sent)
                .iter()
                .map(|head| &head[..3])
                .collect::<Vec<_>>(),
            ["ACK", "INV"]
        );
        assert!(
            header(&sent[1], "CSeq").starts_with("2 ") && sent[1].contains("username=\"voiced\"")
        );
        let (sent, _) = script.answers(
            0.2,
            &sent[1],
            challenge,
            "b",
            &ask("n2", ", stale=true"),
            "",
        );
        assert!(sent[1].contains("nonce=\"n2\""));
        let (sent, told) = script.answers(0.3, &sent[1], challenge, "c", &ask("n3", ""), "");
        assert_eq!(
            sent.len(),
            1,
            "the secret is wrong: it is acknowledged and that is all"
        );
        assert!(matches!(
            told[..],
            [Told::Ended {
                end: LegEnd::Refused(401 | 407),
                ..
            }]
        ));
    }
}

#[test]
fn a_call_of_ours_is_cancelled_only_once_it_rings() {
    let mut script = Script::new();
    let leg = script.calls(None);
    let (sent, _) = drain(&mut script.agent);
    script.agent.hang_up(at(0.1), leg);
    assert!(
        drain(&mut script.agent).0.is_empty(),
        "nothing to cancel yet"
    );
    let (cancel, _) = script.answers(0.2, &sent[0], "180 Ringing", "t", "", "");
    assert!(heads(&cancel)[0].starts_with("CANCEL"));
    assert_eq!(header(&cancel[0], "Via"), header(&sent[0], "Via"));
    let (sent, told) = script.answers(0.3, &sent[0], "487 Request Terminated", "t", "", "");
    assert!(heads(&sent)[0].starts_with("ACK"));
    assert!(matches!(
        told[..],
        [Told::Ended {
            end: LegEnd::WeHungUp,
            ..
        }]
    ));
}

#[test]
fn a_call_taken_while_we_gave_up_is_hung_up() {
    let mut script = Script::new();
    let leg = script.calls(None);
    let (sent, _) = drain(&mut script.agent);
    script.answers(0.1, &sent[0], "180 Ringing", "t", "", "");
    script.agent.hang_up(at(0.2), leg);
    drain(&mut script.agent);
    let (sent, told) = script.answers(0.3, &sent[0], "200 OK", "t", "", SDP);
    assert_eq!(
        heads(&sent)
            .iter()
            .map(|head| &head[..3])
            .collect::<Vec<_>>(),
        ["ACK", "BYE"]
    );
    assert!(matches!(
        told[..],
        [Told::Ended {
            end: LegEnd::WeHungUp,
            ..
        }]
    ));
}

#[test]
fn of_two_telephones_that_answer_one_is_put_down() {
    let mut script = Script::new();
    script.calls(None);
    let (sent, _) = drain(&mut script.agent);
    let invite = sent[0].clone();
    script.answers(0.1, &invite, "200 OK", "first", "", SDP);
    let (sent, told) = script.answers(0.2, &invite, "200 OK", "second", "", SDP);
    assert_eq!(
        heads(&sent)
            .iter()
            .map(|head| &head[..3])
            .collect::<Vec<_>>(),
        ["ACK", "BYE"]
    );
    assert!(sent.iter().all(|message| message.contains("tag=second")) && told.is_empty());
    let (sent, told) = script.answers(0.3, &invite, "200 OK", "first", "", SDP);
    assert!(
        heads(&sent)[0].starts_with("ACK") && told.is_empty(),
        "a repeat is acknowledged again"
    );
}

#[test]
fn reliable_ringing_both_ways() {
    let mut script = Script::new();
    script.calls(None);
    let (sent, _) = drain(&mut script.agent);
    let (sent, told) = script.answers(
        0.1,
        &sent[0],
        "183 Session Progress",
        "t",
        "Require: 100rel\r\nRSeq: 5\r\n",
        SDP,
    );
    assert!(heads(&sent)[0].starts_with("PRACK"));
    assert_eq!(header(&sent[0], "RAck"), "5 1 INVITE");
    assert!(matches!(
        told[..],
        [Told::Ringing {
            status: 183,
            sdp: Some(_),
            ..
        }]
    ));

    let mut script = Script::new();
    let (_, told) = script.says(0.0, "INVITE", 1, "", "Require: 100rel\r\n", SDP);
    let leg = told[0].leg().unwrap();
    script.agent.ring(at(0.0), leg);
    let (sent, _) = drain(&mut script.agent);
    assert_eq!(header(&sent[0], "RSeq"), "1");
    let tag = header(&sent[0], "To")
        .split("tag=")
        .nth(1)
        .unwrap()
        .to_owned();
    assert_eq!(script.tick(0.6).0, sent, "it is repeated");
    assert_eq!(
        heads(
            &script
                .says(0.7, "PRACK", 2, &tag, "RAck: 9 1 INVITE\r\n", "")
                .0
        ),
        ["SIP/2.0 481 Call/Transaction Does Not Exist"]
    );
    assert_eq!(
        heads(
            &script
                .says(0.7, "PRACK", 3, &tag, "RAck: 1 1 INVITE\r\n", "")
                .0
        ),
        ["SIP/2.0 200 OK"]
    );
    assert!(script.tick(5.0).0.is_empty(), "and then no more");
}

#[test]
fn options_tell_whether_there_is_room() {
    let mut script = Script::new();
    let (sent, _) = script.says(0.0, "OPTIONS", 1, "", "", "");
    assert_eq!(heads(&sent), ["SIP/2.0 200 OK"]);
    assert!(header(&sent[0], "Allow").contains("REFER"));
    script.agent.set_full(true);
    for method in ["OPTIONS", "INVITE"] {
        let (sent, told) = script.says(1.0, method, 2, "", "", "");
        assert_eq!(heads(&sent), ["SIP/2.0 503 Service Unavailable"]);
        assert_eq!(header(&sent[0], "Retry-After"), "10");
        assert!(told.is_empty());
    }
}

#[test]
fn what_is_not_understood_is_said() {
    let mut script = Script::new();
    let (sent, _) = script.says(0.0, "INVITE", 1, "", "Require: telepathy\r\n", SDP);
    assert_eq!(heads(&sent), ["SIP/2.0 420 Bad Extension"]);
    assert_eq!(header(&sent[0], "Unsupported"), "telepathy");
    assert_eq!(
        heads(&script.says(0.0, "MESSAGE", 2, "", "", "").0),
        ["SIP/2.0 405 Method Not Allowed"]
    );
    let body = "hello";
    let (sent, _) = script.says(0.0, "INVITE", 3, "", "Content-Type: text/plain\r\n", body);
    assert_eq!(heads(&sent)[0], "SIP/2.0 415 Unsupported Media Type");
}

#[test]
fn keys_come_by_info() {
    let mut script = Script::new();
    let (_, tag) = script.taken("");
    let mut pressed = String::new();
    for (cseq, (kind, body)) in [
        ("dtmf-relay", "Signal=5\r\nDuration=160\r\n"),
        ("dtmf", "#"),
        ("dtmf-relay", "Signal=10\r\n"),
        ("dtmf", "x"),
    ]
    .iter()
    .enumerate()
    {
        let more = format!("Content-Type: application/{kind}\r\n");
        let (sent, told) = script.says(1.0, "INFO", 2 + cseq as u32, &tag, &more, body);
        assert_eq!(heads(&sent), ["SIP/2.0 200 OK"]);
        pressed.extend(told.iter().filter_map(|fact| {
            if let Told::Key { key, .. } = fact {
                Some(*key)
            } else {
                None
            }
        }));
    }
    assert_eq!(pressed, "5#*");
}

#[test]
fn a_transfer_is_followed_to_its_end() {
    let mut script = Script::new();
    let (leg, tag) = script.taken("");
    let target = crate::sip::uri::Uri::parse("sip:support@example.com").unwrap();
    script.agent.refer(at(1.0), leg, &target);
    let (sent, _) = drain(&mut script.agent);
    assert!(heads(&sent)[0].starts_with("REFER"));
    assert_eq!(header(&sent[0], "Refer-To"), "<sip:support@example.com>");
    script.answers(1.1, &sent[0], "202 Accepted", "", "", "");
    let more = "Event: refer\r\nSubscription-State: active\r\nContent-Type: message/sipfrag\r\n";
    let mut progress = Vec::new();
    for (cseq, status) in [(2, "100 Trying"), (3, "180 Ringing"), (4, "200 OK")] {
        let (sent, told) = script.says(
            1.2,
            "NOTIFY",
            cseq,
            &tag,
            more,
            &format!("SIP/2.0 {status}\r\n"),
        );
        assert_eq!(heads(&sent), ["SIP/2.0 200 OK"]);
        progress.extend(told.iter().filter_map(|fact| {
            if let Told::TransferProgress { status, .. } = fact {
                Some(*status)
            } else {
                None
            }
        }));
    }
    assert_eq!(progress, [100, 180, 200]);
    script.agent.refer(at(2.0), leg, &target);
    let (sent, _) = drain(&mut script.agent);
    let (_, told) = script.answers(2.1, &sent[0], "603 Decline", "", "", "");
    assert!(matches!(
        told[..],
        [Told::TransferProgress { status: 603, .. }]
    ));
}

#[test]
fn being_asked_to_transfer_is_asked_on() {
    let mut script = Script::new();
    let (leg, tag) = script.taken("");
    let (sent, told) = script.says(
        1.0,
        "REFER",
        2,
        &tag,
        "Refer-To: <sip:other@example.com>\r\n",
        "",
    );
    assert_eq!(heads(&sent), ["SIP/2.0 202 Accepted"]);
    assert!(matches!(&told[..], [Told::ReferAsked { target, .. }] if target.host == "example.com"));
    script.agent.notify_refer(at(1.1), leg, 603);
    let (sent, _) = drain(&mut script.agent);
    assert!(heads(&sent)[0].starts_with("NOTIFY") && sent[0].ends_with("SIP/2.0 603 Decline\r\n"));
    assert!(header(&sent[0], "Subscription-State").starts_with("terminated"));
    assert_eq!(
        heads(
            &script
                .says(2.0, "REFER", 3, "", "Refer-To: <sip:x@y>\r\n", "")
                .0
        ),
        ["SIP/2.0 603 Decline"]
    );
}

#[test]
fn a_call_that_replaces_another_names_it() {
    let mut script = Script::new();
    let (leg, tag) = script.taken("");
    let replacing = script.agent.replacing(leg).unwrap();
    assert!(
        replacing
            .to_string()
            .contains("Replaces=call%3Bto-tag%3Dpeer"),
        "{replacing}"
    );
    let mut other = Script {
        agent: script.agent,
        peer: flow("127.0.0.1:5099"),
        branch: 500,
    };
    let message = |to: &str| format!("Replaces: call;to-tag={to};from-tag=peer\r\n");
    // Another dialog: another caller.
    let raw = |script: &mut Script, more: &str, call: &str| {
        script.branch += 1;
        let text = format!(
            "INVITE sip:voiced@127.0.0.1:5060 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5099;branch=z9hG4bKq{}\r\n\
             From: <sip:c@127.0.0.1>;tag=c\r\nTo: <sip:voiced@127.0.0.1>\r\nCall-ID: {call}\r\nCSeq: 1 INVITE\r\n\
             Contact: <sip:c@127.0.0.1:5099>\r\nContent-Type: application/sdp\r\n{more}Content-Length: {}\r\n\r\n{SDP}",
            script.branch,
            SDP.len()
        );
        script.agent.received(at(1.0), script.peer, text.as_bytes());
        drain(&mut script.agent)
    };
    let (sent, _) = raw(&mut other, &message("nobody"), "other");
    assert_eq!(
        heads(&sent),
        ["SIP/2.0 481 Call/Transaction Does Not Exist"]
    );
    let (_, told) = raw(&mut other, &message(&tag), "another");
    let Told::Incoming { invitation, .. } = &told[0] else {
        panic!()
    };
    assert_eq!(invitation.replaces, Some(leg));
}

#[test]
fn registration_lives_on() {
    use crate::sip::agent::{Registration, RegistrationState};
    let mut script = Script::new();
    let flow = script.peer;
    script.agent.register(
        at(0.0),
        Registration {
            registrar: crate::sip::uri::Uri::parse("sip:127.0.0.1:5070").unwrap(),
            flow,
            record: crate::sip::uri::Uri::parse("sip:agent@127.0.0.1").unwrap(),
            account: Account {
                user: "agent".into(),
                password: "secret".into(),
            },
            expires: Duration::from_secs(60),
        },
    );
    let (sent, _) = drain(&mut script.agent);
    let (sent, _) = script.answers(
        0.1,
        &sent[0],
        "423 Interval Too Brief",
        "r",
        "Min-Expires: 100\r\n",
        "",
    );
    assert_eq!(header(&sent[0], "Expires"), "100");
    let ask =
        "WWW-Authenticate: Digest realm=\"x\", nonce=\"n1\", algorithm=SHA-256, qop=\"auth\"\r\n";
    let (sent, _) = script.answers(0.2, &sent[0], "401 Unauthorized", "r", ask, "");
    assert!(sent[0].contains("nc=00000001") && sent[0].contains("algorithm=SHA-256"));
    let (_, told) = script.answers(0.3, &sent[0], "200 OK", "r", "Expires: 100\r\n", "");
    assert!(matches!(
        told[..],
        [Told::Registration {
            state: RegistrationState::Registered,
            ..
        }]
    ));
    assert!(script.tick(70.0).0.is_empty());
    let (sent, _) = script.tick(81.0);
    assert!(
        sent[0].contains("nc=00000002"),
        "the nonce is used on: {}",
        sent[0]
    );
    let stale = "WWW-Authenticate: Digest realm=\"x\", nonce=\"n2\", qop=\"auth\", stale=true\r\n";
    let (sent, _) = script.answers(81.1, &sent[0], "401 Unauthorized", "r", stale, "");
    assert!(sent[0].contains("nonce=\"n2\""));
    let (_, told) = script.answers(81.2, &sent[0], "403 Forbidden", "r", "", "");
    assert!(matches!(
        told[..],
        [Told::Registration {
            state: RegistrationState::Failed(403),
            ..
        }]
    ));
    assert!(
        heads(&script.tick(97.0).0)[0].starts_with("REGISTER"),
        "it is tried again"
    );
}
