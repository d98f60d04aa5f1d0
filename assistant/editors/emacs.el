;; sned: completions from your own machine.
;; lsp-mode 10 or newer shows them as ghost text, beside what your other language server offers.
(with-eval-after-load 'lsp-mode
  (lsp-register-client
   (make-lsp-client
    :new-connection (lsp-stdio-connection '("sned" "lsp"))
    :activation-fn (lsp-activate-on "python" "java" "c" "cpp" "javascript" "typescript")
    :server-id 'sned
    :add-on? t)))
;; eglot has one server for a buffer, and shows them in the completion menu: M-x eglot, then choose sned.
(with-eval-after-load 'eglot
  (add-to-list 'eglot-server-programs
               '((python-base-mode java-mode java-ts-mode c-mode c-ts-mode c++-mode c++-ts-mode js-base-mode)
                 . ("sned" "lsp"))
               t))
