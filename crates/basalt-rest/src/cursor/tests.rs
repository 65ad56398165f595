use super::*;

#[test]
fn base64_goes_there_and_back() {
    for length in 0..70usize {
        let bytes: Vec<u8> = (0..length).map(|n| (n * 37 + length) as u8).collect();
        assert_eq!(decoded(&encode(&bytes)), Some(bytes));
    }
    assert_eq!(encode(b"\xfb\xff\xbe"), "-_--");
    assert_eq!(decoded("a+b/"), None);
}

#[test]
fn tokens_are_signed() {
    let (key, other) = (CursorKey::new(b"one"), CursorKey::new(b"two"));
    let token = Token { backwards: true, bound: "f".to_owned(), key: vec![Some("a\"b".to_owned()), None] };
    let text = token.write(&key);
    assert_eq!(Token::read(&text, &key), Some(token));
    assert_eq!(Token::read(&text, &other), None);
    for at in 0..text.len() {
        let mut changed = text.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        // The last letter has bits that stand for nothing.
        let changed = String::from_utf8(changed).expect("letters");
        assert!(Token::read(&changed, &key).is_none() || decoded(&changed) == decoded(&text), "{at}");
    }
    for text in ["", "A", "AAAA", &"A".repeat(200), &"A".repeat(LONGEST + 1)] {
        assert_eq!(Token::read(text, &key), None);
    }
}

#[test]
fn the_parameter_is_taken_out() {
    let found = |query: &str| split(query);
    assert_eq!(found("select=a&:cursor=x&limit=2"), Some(("select=a&limit=2".to_owned(), "x".to_owned())));
    assert_eq!(found("%3Acursor="), Some((String::new(), String::new())));
    assert_eq!(found("select=a&cursor=eq.1"), None);
    assert_eq!(found(":cursor"), None);
}

#[test]
fn what_comes_after_a_key() {
    let term = |descending, nulls_first, may_be_null| Term {
        order: OrderTerm { relation: None, field: Field { name: "c".to_owned(), path: Vec::new() }, descending, nulls_first },
        may_be_null,
    };
    let count = |filter: Option<Filter>| match filter {
        None => 0,
        Some(Filter::Or(parts)) => parts.len(),
        Some(_) => 1,
    };
    // Ascending, nulls last: null comes after every value, nothing after null.
    assert_eq!((count(term(false, None, true).after(Some(0))), count(term(false, None, true).after(None))), (2, 0));
    // Descending, nulls first: every value comes after null.
    assert_eq!((count(term(true, None, true).after(Some(0))), count(term(true, None, true).after(None))), (1, 1));
    assert_eq!(count(term(false, None, false).after(Some(0))), 1);
    let there_and_back = term(true, Some(false), true).reversed().reversed();
    assert_eq!((there_and_back.order.descending, there_and_back.nulls_first()), (true, false));
}
