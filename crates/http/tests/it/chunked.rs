use telarch_http::{ChunkError, ChunkedDecoder, Progress};

/// Decodes a whole body or returns the reason of its refusal. All input must be used up.
fn decode(input: impl AsRef<[u8]>) -> Result<String, ChunkError> {
    let mut output = Vec::new();
    let progress = ChunkedDecoder::new(1_000_000).decode(input.as_ref(), &mut output)?;
    assert_eq!(progress, Progress { consumed: input.as_ref().len(), done: true });
    Ok(String::from_utf8(output).unwrap())
}

#[test]
fn chunks_are_joined() {
    assert_eq!(decode("5\r\nhello\r\n1\r\n \r\n00006\r\nworld!\r\n0\r\n\r\n").as_deref(), Ok("hello world!"));
    assert_eq!(decode("0\r\n\r\n").as_deref(), Ok(""));
    assert_eq!(decode("000\r\n\r\n").as_deref(), Ok(""));
}

#[test]
fn sizes_are_hexadecimal_in_either_case() {
    let data = "x".repeat(0xabc);
    for size in ["abc", "ABC", "0000000000000aBc"] {
        assert_eq!(decode(format!("{size}\r\n{data}\r\n0\r\n\r\n")).as_deref(), Ok(data.as_str()));
    }
}

#[test]
fn data_after_the_body_is_not_consumed() {
    let (mut decoder, mut output) = (ChunkedDecoder::new(10), Vec::new());
    let progress = decoder.decode(b"1\r\nx\r\n0\r\n\r\nPOST", &mut output);
    assert_eq!(progress, Ok(Progress { consumed: 11, done: true }));
    assert_eq!(decoder.decode(b"POST", &mut output), Ok(Progress { consumed: 0, done: true }));
    assert_eq!(output, b"x");
}

#[test]
fn existing_output_is_kept_and_not_counted() {
    let mut output = b"before".to_vec();
    ChunkedDecoder::new(1).decode(b"1\r\nx\r\n0\r\n\r\n", &mut output).unwrap();
    assert_eq!(output, b"beforex");
}

#[test]
fn extensions_and_trailers_are_dropped() {
    let body = "5;a=b;c=\"d;e\"\r\nhello\r\n0;x\r\nContent-Length: 7\r\nX:\r\nY: \t\u{e4} \r\n\r\n";
    assert_eq!(decode(body).as_deref(), Ok("hello"));
}

#[test]
fn a_size_that_is_not_hexadecimal_is_refused() {
    for body in [
        "\r\n", ";x\r\n", "x\r\n", "-1\r\n", "+1\r\n", "0x1\r\n", " 1\r\n", "1 \r\n", "1 ;x\r\n", "1\t\r\n",
        "1_0\r\n",
    ] {
        assert_eq!(decode(body), Err(ChunkError::InvalidSize), "{body:?}");
    }
    assert_eq!(decode("1\r\nx\r\n\r\n"), Err(ChunkError::InvalidSize));
}

#[test]
fn a_size_of_more_than_16_digits_is_refused() {
    assert_eq!(decode("00000000000000000\r\n\r\n"), Err(ChunkError::SizeTooLong));
    assert_eq!(decode("10000000000000000\r\n"), Err(ChunkError::SizeTooLong));
}

#[test]
fn a_line_without_carriage_return_or_line_feed_is_refused() {
    for body in [
        "1\nx\r\n0\r\n\r\n",
        "1\rx",
        "1\r\r\n",
        "1;a\nx",
        "1;a\rb",
        "0\r\n\rx",
        "0\r\nX: a\n\r\n",
        "0\r\nX: a\r\r\n",
    ] {
        assert_eq!(decode(body), Err(ChunkError::LineEnd), "{body:?}");
    }
    assert_eq!(decode("0\r\n\n"), Err(ChunkError::InvalidTrailer));
}

#[test]
fn data_that_is_longer_than_its_size_is_refused() {
    for body in ["1\r\nxy\r\n", "1\r\nx\n0\r\n\r\n", "1\r\nxy\n0\r\n\r\n", "1\r\nx\ry", "1\r\nx0\r\n\r\n"] {
        assert_eq!(decode(body), Err(ChunkError::DataEnd), "{body:?}");
    }
}

#[test]
fn a_chunk_beyond_the_limit_is_refused_by_its_size() {
    for body in ["b\r\n", "b;", "ffffffffffffffff\r\n", "7fffffffffffffff\r\n", "5\r\nhello\r\n6\r\n"] {
        let mut decoder = ChunkedDecoder::new(10);
        let error = decoder.decode(body.as_bytes(), &mut Vec::new()).unwrap_err();
        assert_eq!((error, error.status()), (ChunkError::BodyTooLarge { limit: 10 }, 413), "{body:?}");
    }
    let mut output = Vec::new();
    ChunkedDecoder::new(10).decode(b"5\r\nhello\r\n5\r\nworld\r\n0\r\n\r\n", &mut output).unwrap();
    assert_eq!(output, b"helloworld");
}

#[test]
fn extensions_are_bounded_over_all_chunks_together() {
    let chunks = |count: usize| {
        let extension = "a".repeat(255);
        format!("{}0\r\n\r\n", format!("1;{extension}\r\nx\r\n").repeat(count))
    };
    assert_eq!(decode(chunks(4)).as_deref(), Ok("xxxx"));
    assert_eq!(decode(chunks(5)), Err(ChunkError::ExtensionsTooLong));
    assert_eq!(decode(format!("1;{}", "a".repeat(1024))), Err(ChunkError::ExtensionsTooLong));
}

#[test]
fn an_extension_with_a_control_byte_is_refused() {
    assert_eq!(decode("1;a\0\r\nx\r\n0\r\n\r\n"), Err(ChunkError::InvalidExtension));
}

#[test]
fn a_trailer_line_that_is_not_a_header_line_is_refused() {
    for line in ["X", "X : a", ": a", " X: a", "X\u{e4}: a", "X: \u{0}", "X: \u{7f}"] {
        assert_eq!(decode(format!("0\r\n{line}\r\n\r\n")), Err(ChunkError::InvalidTrailer), "{line}");
    }
    assert_eq!(decode("0\r\nX: a\r\n b\r\n\r\n"), Err(ChunkError::InvalidTrailer));
}

#[test]
fn the_trailer_is_bounded() {
    let body = |length: usize| format!("0\r\nX: {}\r\n\r\n", "a".repeat(length - 5));
    assert_eq!(decode(body(8192)).as_deref(), Ok(""));
    assert_eq!(decode(body(8193)), Err(ChunkError::TrailerTooLong));
    assert_eq!(decode(format!("0\r\n{}", "X:\r\n".repeat(2049))), Err(ChunkError::TrailerTooLong));
}

#[test]
fn an_error_is_final() {
    let (mut decoder, mut output) = (ChunkedDecoder::new(10), Vec::new());
    for _ in 0..2 {
        assert_eq!(decoder.decode(b"x", &mut output), Err(ChunkError::InvalidSize));
    }
    assert_eq!(decoder.decode(b"0\r\n\r\n", &mut output), Err(ChunkError::InvalidSize));
}
