"""The viewer: `streamlit run viewer`. Maps the course, opens a lecture, compares two, shows the museum and the runs of
training, tries models, opens files.

`?trace=NAME&step=N` opens the trace NAME of the list at a step. NAME selects from the list and is never a path.
"""

from __future__ import annotations

import streamlit as st
from catalogue import root
from compare_page import compare_page
from home_page import lectures_page
from museum_page import museum
from open_page import open_page
from playground_page import playground_page
from runs_page import runs_page

st.set_page_config(page_title="lilllm", layout="wide", initial_sidebar_state="collapsed")
st.html(
    """<style>
    .stMainBlockContainer { padding: 4.25rem 1.25rem 0; max-width: 110rem; }
    @media (min-width: 900px) {  /* the choice of a lecture or a case stands in the page's head */
        .stElementContainer:is(.st-key-trace, .st-key-case) {
            position: fixed; top: 0.6rem; right: 4.5rem; width: 26rem; z-index: 999991; }
    }
    @media (min-width: 1200px) {
        .st-key-cases { position: fixed; top: 0.7rem; right: 32rem; width: auto; z-index: 999991; } }
    .stApp [data-testid="stCaptionContainer"] { opacity: 0.8; }  /* Streamlit's own 0.6 is under 4.5:1 */
    .stApp [data-testid="stCaptionContainer"] code { font-size: 0.85em; }
    .st-key-list h4 { font-size: 1.15rem; padding: 0 0 0.25rem; }
    .st-key-home { max-width: 84rem; margin: 0 auto; }
    .st-key-list h2 { font-size: 1.35rem; padding: 0; }
    .st-key-list { max-width: 62rem; margin: 0 auto; padding-bottom: 4rem; }
    .st-key-museum { max-width: 62rem; margin: 0 auto; padding-bottom: 4rem; }
    .st-key-museum h3 { font-size: 1.25rem; padding: 1rem 0 0; }
    .st-key-museum h4 { font-size: 1.1rem; padding: 0 0 0.25rem; }
    .st-key-told h3 { font-size: 1.25rem; padding: 0 0 0.25rem; }
    .diff { margin: 0; padding: 0.75rem 0; border: 1px solid light-dark(#dde1e5, #333b43); border-radius: 0.5rem;
        overflow-x: auto; font-size: 0.85rem; line-height: 1.5; color: inherit; background: none; }
    .diff > * { display: block; padding: 0 1rem; width: max-content; min-width: 100%; text-decoration: none; }
    .diff ins { background: light-dark(#e6f4ea, #173325); color: light-dark(#17693a, #7fd6a0); }
    .diff del { background: light-dark(#fcebea, #40201e); color: light-dark(#b3261e, #ff9d94); }
    .st-key-glossary { max-width: 46rem; margin: 0 auto; padding-bottom: 4rem; }
    </style>"""
)


def glossary_page() -> None:
    with st.container(key="glossary"):
        st.markdown((root() / "lectures" / "GLOSSARY.md").read_text(encoding="utf-8"))


page = st.Page(lectures_page, title="Lectures", default=True, url_path="lectures")
pages = [page, st.Page(compare_page, title="Compare", url_path="compare")]
pages.append(museum())
pages.append(st.Page(runs_page, title="Runs", url_path="runs"))
pages.append(st.Page(playground_page, title="Playground", url_path="playground"))
pages.append(st.Page(open_page, title="Open a file", url_path="open"))
if (root() / "lectures" / "GLOSSARY.md").is_file():
    pages.append(st.Page(glossary_page, title="Glossary", url_path="glossary"))
st.navigation(pages, position="top").run()
