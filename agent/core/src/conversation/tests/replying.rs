//! What becomes of a reply: tools, hanging up, failures and silence.
use super::*;

#[test]
fn tools_that_run_here_are_answered_within_the_reply() {
    check(
        "0 type what time is it \n 10 text e1 Let me see. \n 20 call e1 clock \n 30 end e1
         40 played e1 480 \n 50 answer e1 clock \n 60 text e1 It is noon. \n 70 end e1 \n 900 last e1",
        "0 reply e1 leg 0 to 'what time is it'
         20 run clock c-clock
         50 reply e1 leg 1 to 'noon'",
    );
}

#[test]
fn tools_of_the_client_end_the_reply() {
    check_told(
        "0 type light please \n 20 call e1 lamp \n 30 end e1 \n 40 last e1",
        "0 told reply item_0002
         0 reply e1 leg 0 to 'light please'
         40 told heard after 40ms
         40 told ended item_0002 Completed ''",
    );
}

#[test]
fn the_next_reply_may_be_asked_for_while_the_client_s_tool_is_still_announced() {
    check_told(
        "0 type light please \n 10 text e1 I will try. \n 20 call e1 lamp \n 30 end e1
         40 played e1 480 \n 50 respond \n 60 respond \n 900 last e1",
        "0 told reply item_0002
         0 reply e1 leg 0 to 'light please'
         40 told heard after 40ms
         60 told refused ReplyActive
         900 told ended item_0002 Completed 'I will try.'
         900 told reply item_0004
         900 reply e2 leg 0 to '(no result yet)'",
    );
}

#[test]
fn the_agent_hangs_up_after_its_last_word() {
    check_told(
        "0 type bye \n 20 call e1 clock \n 30 end e1 \n 40 hang-up e1 clock \n 50 text e1 Goodbye. \n 60 end e1 \n 900 last e1",
        "0 told reply item_0002
         0 reply e1 leg 0 to 'bye'
         20 run clock c-clock
         40 reply e1 leg 1 to 'bye'
         900 told heard after 900ms
         900 told ended item_0002 Completed 'Goodbye.'
         900 interrupt e2
         900 told over AgentHungUp
         900 end call",
    );
}

#[test]
fn a_failed_stage_is_apologised_for_once() {
    check(
        "0 type hello \n 10 fail e1 \n 20 fail e3 \n 30 type again",
        "0 reply e1 leg 0 to 'hello'
         10 interrupt e2
         10 say e3 'Sorry, something went wrong on my side. Could you say that again?'
         20 interrupt e4
         30 reply e5 leg 0 to 'hello again'",
    );
}

#[test]
fn a_model_that_says_nothing_has_failed() {
    check(
        "0 type hello \n 60000 tick",
        "0 reply e1 leg 0 to 'hello'
         20000 interrupt e2
         20000 say e3 'Sorry, something went wrong on my side. Could you say that again?'
         40000 interrupt e4",
    );
}

#[test]
fn endless_speech_is_taken_as_a_turn() {
    check(
        "0 speech+ \n 59000 partial on and on \n 60100 final on and on \n 60110 eot 0.9",
        "60000 finish hearing
         60000 assess 'on and on'
         60100 assess 'on and on'
         60110 reply e1 leg 0 to 'on and on'",
    );
}

#[test]
fn a_silent_caller_is_asked_twice() {
    let mut opening = opening();
    opening.policy.idle = Some(Duration::from_secs(10));
    opening.greeting = Some("Hello!".into());
    expect(
        run(
            opening,
            "100 last e1 \n 11000 last e2 \n 22000 last e3 \n 90000 tick",
            false,
        ),
        "0 say e1 'Hello!'
         10100 say e2 'Are you still there?'
         21000 say e3 'Are you still there?'",
    );
}
