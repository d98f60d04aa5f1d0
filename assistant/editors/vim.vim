" sned: completions from your own machine. Needs the plugin coc.nvim (shows them as ghost text), or vim-lsp.
let s:filetypes = ['python', 'java', 'c', 'cpp', 'javascript', 'javascriptreact', 'typescript', 'typescriptreact']

function! s:WithCoc() abort
  if exists('*coc#config')
    call coc#config('languageserver.sned', {'command': 'sned', 'args': ['lsp'], 'filetypes': s:filetypes})
  endif
endfunction

augroup sned
  autocmd!
  autocmd VimEnter * call s:WithCoc()
  autocmd User lsp_setup call lsp#register_server({
        \ 'name': 'sned', 'cmd': ['sned', 'lsp'], 'allowlist': s:filetypes})
augroup END
