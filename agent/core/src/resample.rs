//! One sample rate to another, streamed, any chunk size in, on rubato's windowed sinc.
