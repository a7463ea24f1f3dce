//! The telephone's settings as they are written.
use crate::config::keys::{Kind, section};

section! {
    /// Calls over SIP.
    Telephone at "telephone" {
        /// Whether the telephone is open at all.
        enabled: bool = false, Kind::Flag;
        /// Address and port of signalling, over UDP and TCP. Whoever is no trunk and has no
        /// account gets no answer here.
        address: String = "127.0.0.1:5060".into(), Kind::Text;
        /// How it is reached there: "udp", "tcp".
        transports: Vec<String> = ["udp", "tcp"].map(str::to_owned).into(), Kind::Texts;
        /// The address others are told, where a router stands between; unset: the one above.
        public_address: Option<String> = None, Kind::Text, like "\"203.0.113.7\"";
        /// Addresses and networks whose calls are taken without an account.
        trunks: Vec<String> = ["127.0.0.0/8", "::1/128"].map(str::to_owned).into(), Kind::Texts;
        /// Who else may call, with the password of the next setting; unset: nobody.
        account: Option<String> = None, Kind::Text, like "\"office\"";
        /// Environment variable with that account's password.
        account_password_env: Option<String> = None, Kind::Variable,
            like "\"VOICED_SIP_PASSWORD\"";
        /// Where that account is known: the realm of its challenge.
        realm: String = "voiced".into(), Kind::Text;
        /// File with the dial plan, which says who answers what; unset: the default persona
        /// answers everything.
        plan: Option<String> = None, Kind::Path, like "\"dialplan.toml\"";
        /// Calls at once. The engines' rows may allow fewer.
        max_calls: u32 = 64, Kind::Whole(1, 10_000);
        /// A call of ours that is not taken by then is given up.
        ring_for_s: u32 = 60, Kind::Whole(5, 300);
        /// A call nothing is heard from for so long is over; 0 waits for ever.
        lost_after_s: u32 = 30, Kind::Whole(0, 3_600);
        /// Time between two proofs that a call still stands (RFC 4028).
        session_expires_s: u32 = 1_800, Kind::Whole(90, 86_400);
        /// The key that ends a number typed by the caller.
        terminator: String = "#".into(), Kind::OneOf(&["#", "*"]);
        /// A pause of this length ends such a number too.
        key_pause_ms: u32 = 2_000, Kind::Whole(200, 30_000);
        sub media: TelephoneMedia;
        sub tls: TelephoneTls;
        sub outbound: TelephoneOutbound;
        sub registration: TelephoneRegistration;
        sub streams: TelephoneStreams;
    }
}

section! {
    /// The sound of telephone calls.
    TelephoneMedia at "telephone.media" {
        /// Codecs in the order they are offered: "opus", "g722", "pcma", "pcmu".
        codecs: Vec<String> = ["opus", "g722", "pcma", "pcmu"].map(str::to_owned).into(),
            Kind::Texts;
        /// Whether sound is encrypted (SDES-SRTP): "off", "optional" or "required". Without TLS
        /// the keys can be read on the way.
        encryption: String = "optional".into(), Kind::OneOf(&["off", "optional", "required"]);
        /// The first UDP port of sound. Every call takes two.
        first_port: u32 = 40_000, Kind::Whole(1_024, 65_534);
        /// The last one.
        last_port: u32 = 41_999, Kind::Whole(1_025, 65_535);
        /// Takes the agent's own voice out of what callers send: speakerphones return it.
        echo_cancellation: bool = true, Kind::Flag;
        /// Takes steady noise out.
        noise_suppression: bool = false, Kind::Flag;
        /// Takes hum, handling and wind, all below 80 Hz, out.
        high_pass: bool = true, Kind::Flag;
    }
}

section! {
    /// Encrypted signalling.
    TelephoneTls at "telephone.tls" {
        /// Address and port of signalling over TLS; unset: there is none.
        address: Option<String> = None, Kind::Text, like "\"0.0.0.0:5061\"";
        /// File with the certificate and those that vouch for it, PEM.
        certificate: Option<String> = None, Kind::Path, like "\"telephone.crt\"";
        /// File with its private key, PEM.
        key: Option<String> = None, Kind::Path, like "\"telephone.key\"";
        /// File with the certificates trusted for calls and registrations over TLS, PEM.
        roots: Option<String> = None, Kind::Path, like "\"/etc/ssl/certs/ca-certificates.crt\"";
    }
}

section! {
    /// Calls that voiced makes, and transfers. Nobody is called that is not allowed here, whatever
    /// the model, a caller or a redirection says.
    TelephoneOutbound at "telephone.outbound" {
        /// Beginnings of the telephone numbers that may be called: "+4420".
        dial_prefixes: Vec<String> = Vec::new(), Kind::Texts;
        /// Hosts of the SIP addresses that may be called: "pbx.example.com".
        dial_hosts: Vec<String> = Vec::new(), Kind::Texts;
        /// The trunk that numbers are called at; unset: only addresses can be called.
        trunk: Option<String> = None, Kind::Text, like "\"sip:trunk.example.com\"";
        /// As whom; needed with a trunk.
        from: Option<String> = None, Kind::Text, like "\"sip:+442079460000@trunk.example.com\"";
        /// The name the trunk asks for, where it does.
        account: Option<String> = None, Kind::Text, like "\"voiced\"";
        /// Environment variable with its password.
        password_env: Option<String> = None, Kind::Variable, like "\"VOICED_TRUNK_PASSWORD\"";
    }
}

section! {
    /// Being reachable at a registrar.
    TelephoneRegistration at "telephone.registration" {
        /// The registrar; unset: there is none.
        registrar: Option<String> = None, Kind::Text, like "\"sip:pbx.example.com\"";
        /// The address that is to lead here; needed with a registrar.
        record: Option<String> = None, Kind::Text, like "\"sip:agent@pbx.example.com\"";
        /// The name of the account there.
        account: Option<String> = None, Kind::Text, like "\"agent\"";
        /// Environment variable with its password.
        password_env: Option<String> = None, Kind::Variable, like "\"VOICED_PBX_PASSWORD\"";
        /// For how long at a time.
        expires_s: u32 = 3_600, Kind::Whole(30, 86_400);
    }
}

section! {
    /// Calls that carriers bring over WebSocket (Twilio, Telnyx, Plivo, Vonage, Exotel), through
    /// the HTTP listener.
    TelephoneStreams at "telephone.streams" {
        /// Whether such calls are taken.
        enabled: bool = false, Kind::Flag;
        /// The address of this daemon as carriers see it; needed for Twilio, which signs it.
        public_url: Option<String> = None, Kind::Text, like "\"https://voice.example.com\"";
        /// Environment variable with Twilio's auth token. Twilio asks at
        /// `/v1/telephone/twiml` what to do with a call.
        twilio_token_env: Option<String> = None, Kind::Variable, like "\"TWILIO_AUTH_TOKEN\"";
        /// Environment variable with a secret of your own: the last part of the address that other
        /// carriers are given, `/v1/telephone/streams/SECRET`.
        token_env: Option<String> = None, Kind::Variable, like "\"VOICED_STREAM_TOKEN\"";
    }
}
