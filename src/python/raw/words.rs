//! Words in live objects that are as they were as long as something has not changed: compared at once.

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyFunction, PyList};
use smallvec::SmallVec;

/// How many words are compared before it is asked whether there are more: one by one, hits took 3 ns longer.
const AT_ONCE: usize = 2;

/// Words, and what was in them. Whoever has these keeps alive the objects that they are of.
#[derive(Default)]
pub(in crate::python) struct Words {
    /// The last of them is repeated.
    noted: SmallVec<[[Word; AT_ONCE]; 5]>,
    count: usize,
    /// Versions of classes, compared after the words.
    #[cfg(not(Py_3_12))]
    classes: SmallVec<[(*const u32, u32); 4]>,
}

/// A word's address, and what was there.
type Word = (*const usize, usize);

// SAFETY: addresses, which are read while attached to the interpreter.
unsafe impl Send for Words {}
// SAFETY: as above.
unsafe impl Sync for Words {}

impl Words {
    /// Note the word at an address.
    ///
    /// # Safety
    ///
    /// It can be read as long as the words noted before are as they were.
    unsafe fn note<T>(&mut self, word: *const T) {
        const { assert!(size_of::<T>() == size_of::<usize>()) };
        let word = word.cast::<usize>();
        // SAFETY: as the caller says.
        self.push((word, unsafe { *word }));
    }

    fn push(&mut self, word: Word) {
        let place = self.count % AT_ONCE;
        match self.noted.last_mut() {
            Some(last) if place > 0 => last[place..].fill(word),
            _ => self.noted.push([word; AT_ONCE]),
        }
        self.count += 1;
    }

    /// Note an object's class.
    pub(in crate::python) fn class_of(&mut self, object: &Bound<'_, PyAny>) {
        // SAFETY: in the object itself.
        unsafe { self.note(&raw const (*object.as_ptr()).ob_type) };
    }

    /// Note a function's code.
    pub(in crate::python) fn code_of(&mut self, function: &Bound<'_, PyFunction>) {
        let function = function.as_ptr().cast::<ffi::PyFunctionObject>();
        // SAFETY: in the object itself.
        unsafe { self.note(&raw const (*function).func_code) };
    }

    /// Note how long a list is, and the first few of its items.
    pub(in crate::python) fn items_of(&mut self, list: &Bound<'_, PyList>, items: usize) {
        // Without a GIL another thread may change it meanwhile, and nobody compares words.
        if cfg!(Py_GIL_DISABLED) {
            return;
        }
        let length = list.len();
        let list = list.as_ptr().cast::<ffi::PyListObject>();
        // SAFETY: in the object itself; and the items are where the list says, as many as it says, both
        // of which are compared before any of them.
        unsafe {
            self.note(&raw const (*list).ob_base.ob_size);
            self.note(&raw const (*list).ob_item);
            for item in 0..items.min(length) {
                self.note((*list).ob_item.add(item));
            }
        }
    }

    /// Note which dict an object has its attributes in, and that dict's version. False for an object that
    /// has them elsewhere.
    #[cfg(not(Py_3_12))]
    pub(super) fn attributes_of(
        &mut self,
        object: &Bound<'_, PyAny>,
        dict: &Bound<'_, pyo3::types::PyDict>,
    ) -> bool {
        unsafe extern "C" {
            fn _PyObject_GetDictPtr(object: *mut ffi::PyObject) -> *mut *mut ffi::PyObject;
        }
        // SAFETY: a live object; null where it has no place for a dict.
        let place = unsafe { _PyObject_GetDictPtr(object.as_ptr()) };
        // SAFETY: in the object itself.
        if size_of::<usize>() < 8 || place.is_null() || unsafe { *place } != dict.as_ptr() {
            return false;
        }
        let dict = dict.as_ptr().cast::<ffi::PyDictObject>();
        // SAFETY: in the object itself; and in the dict, which the object keeps alive while the word
        // before is as it was.
        unsafe {
            self.note(place);
            self.note((&raw const (*dict).ma_version_tag).cast::<usize>());
        }
        true
    }

    /// Note the version of a class that is kept alive while the words are as they were.
    #[cfg(not(Py_3_12))]
    pub(super) fn version_of_class(&mut self, class: &Bound<'_, pyo3::types::PyType>) {
        // SAFETY: in a live class.
        let version = unsafe { &raw const (*class.as_type_ptr()).tp_version_tag };
        // SAFETY: as above.
        self.classes.push((version, unsafe { *version }));
    }

    /// Note what others have noted.
    pub(in crate::python) fn append(&mut self, others: &Self) {
        let all = others.noted.as_flattened().iter();
        all.take(others.count).for_each(|&word| self.push(word));
        #[cfg(not(Py_3_12))]
        self.classes.extend_from_slice(&others.classes);
    }

    /// Whether all are as they were. Asked while attached.
    #[inline(always)]
    #[allow(clippy::inline_always)] // of each hit
    pub(in crate::python) fn are_as_before(&self) -> bool {
        let mut are_words = true;
        // A loop, and not `all` of `all`, which is left a call of its own.
        for words in &self.noted {
            // SAFETY: of objects that are kept alive; one can be read if those before are as they were.
            are_words = words.iter().all(|&(word, known)| known == unsafe { *word });
            if !are_words {
                break;
            }
        }
        #[cfg(not(Py_3_12))]
        let are_words = are_words
            && self.classes.iter().all(|&(version, known)| {
                // SAFETY: of a class that is kept alive by what the words are of.
                known == unsafe { *version }
            });
        are_words
    }
}
