from __future__ import annotations

from agent.dialog.chats import DEAD_CHATS, Admission, ChatBook, ChatlessSpeech


def test_dead_ids_are_remembered_up_to_a_bound() -> None:
    book = ChatBook()
    for number in range(DEAD_CHATS + 1):
        book.kill(str(number))
    assert not book.is_dead("0")
    assert book.is_dead("1")
    book.kill("")
    assert not book.is_dead("")


def test_without_a_cancel_every_chat_is_welcome() -> None:
    book = ChatBook()
    book.commit_sent()
    assert book.admission(1.0) is Admission.YES


def cancelled_before_the_chat() -> ChatBook:
    book = ChatBook()
    book.commit_sent()
    book.cancel_sent(10.0, orphan=True)
    return book


def test_a_chat_after_a_cancel_is_a_leftover_until_the_cancel_is_answered() -> None:
    book = cancelled_before_the_chat()
    assert book.admission(10.1) is Admission.NO
    assert book.cancel_answered(10.2, 2)
    assert book.admission(10.3) is Admission.YES


def test_the_leftover_window_ends_by_time() -> None:
    book = cancelled_before_the_chat()
    assert book.admission(12.9) is Admission.NO
    assert book.admission(13.0) is Admission.YES


def test_the_acknowledgement_of_a_later_commit_ends_the_window() -> None:
    book = cancelled_before_the_chat()
    book.commit_sent()
    book.commit_acknowledged()
    assert book.admission(10.2) is Admission.NO, "that was the cancelled commit"
    book.commit_acknowledged()
    assert book.admission(10.3) is Admission.YES


def test_where_the_server_never_acknowledges_the_new_request_is_believed_with_doubt() -> None:
    book = cancelled_before_the_chat()
    assert book.admission(10.1) is Admission.NO, "nothing was asked since"
    book.commit_sent()
    assert book.admission(10.2) is Admission.DOUBTFUL


def test_a_question_after_a_cancel_is_never_acknowledged_either() -> None:
    book = cancelled_before_the_chat()
    book.commit_acknowledged()
    book.request_sent()
    assert book.admission(10.2) is Admission.DOUBTFUL


def test_two_cancels_need_two_answers() -> None:
    book = cancelled_before_the_chat()
    book.commit_sent()
    book.cancel_sent(11.0, orphan=True)
    book.cancel_answered(11.1, 2)
    assert book.admission(11.2) is Admission.NO
    book.cancel_answered(11.3, 2)
    assert book.admission(11.4) is Admission.YES


def test_a_lost_acknowledgement_is_made_good_by_the_next_chat() -> None:
    book = ChatBook()
    book.commit_sent()
    book.commit_acknowledged()
    book.commit_sent()
    assert not book.all_acknowledged
    book.chat_begun()
    assert book.all_acknowledged


def test_user_speech_never_answers_our_cancel_and_neither_does_anything_after_long() -> None:
    book = cancelled_before_the_chat()
    assert not book.cancel_answered(10.1, 1)
    assert not book.cancel_answered(25.0, 2)


def test_an_error_answers_only_a_cancel_that_was_sent() -> None:
    book = ChatBook()
    book.cancel_sent(10.0, orphan=True, explicit=False)
    assert not book.cancel_refused(10.1)
    book.cancel_sent(10.2, orphan=False)
    assert book.cancel_refused(10.3)
    assert not book.cancel_refused(10.4)


def test_a_new_link_owes_nothing() -> None:
    book = cancelled_before_the_chat()
    book.kill("c1")
    book.new_link()
    assert book.admission(10.1) is Admission.YES
    assert not book.cancel_answered(10.1, 2)
    assert book.is_dead("c1")


def test_cut_speech_without_a_chat_is_stale_until_its_end_its_cancel_or_quiet() -> None:
    speech = ChatlessSpeech()
    assert not speech.is_stale(1.0)
    speech.cut(1.0)
    assert speech.is_stale(1.1)
    speech.ended()
    assert not speech.is_stale(1.2)

    speech.cut(2.0)
    speech.stale_packet(6.9)
    assert speech.is_stale(8.8)
    assert not speech.is_stale(8.9)

    speech.cut(10.0)
    speech.cancel_answered(10.1)
    assert speech.is_stale(11.0)
    assert not speech.is_stale(11.2)


def test_newly_ordered_speech_is_heard_after_a_round_trip() -> None:
    speech = ChatlessSpeech()
    speech.cut(1.0)
    speech.ordered(1.0)
    speech.stale_packet(1.25)
    assert speech.is_stale(1.29)
    assert not speech.is_stale(1.31)

    speech.cut(2.0)
    speech.ordered(2.0)
    speech.cancel_answered(2.1)
    assert not speech.is_stale(2.1)
