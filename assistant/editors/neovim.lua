-- sned: completions from your own machine. Needs Neovim 0.11 or newer.
local answers = {} -- buffers, by the token of the answer they show

vim.lsp.config('sned', {
  cmd = { 'sned', 'lsp' },
  filetypes = { 'python', 'java', 'c', 'cpp', 'javascript', 'javascriptreact', 'typescript', 'typescriptreact' },
  root_markers = { '.git', 'pyproject.toml', 'package.json', 'pom.xml', 'build.gradle', 'CMakeLists.txt' },
  settings = { sned = { automatic = true } },
  -- Neovim refuses edits of an older version, but does not say so.
  capabilities = { workspace = { workspaceEdit = { documentChanges = true } } },
  handlers = {
    -- For a status line: %{get(g:, 'sned_status', '')}
    ['sned/status'] = function(_, status)
      vim.g.sned_status = status.message
      vim.cmd.redrawstatus()
    end,
    ['sned/answer'] = function(_, part)
      local buffer = answers[part.token]
      if buffer and vim.api.nvim_buf_is_valid(buffer) then
        local last = vim.api.nvim_buf_get_lines(buffer, -2, -1, true)[1]
        local line = vim.api.nvim_buf_line_count(buffer) - 1
        vim.api.nvim_buf_set_text(buffer, line, #last, line, #last, vim.split(part.text, '\n'))
      end
    end,
  },
})
vim.lsp.enable('sned')

local function execute(command, arguments, handler)
  local client = vim.lsp.get_clients({ name = 'sned' })[1]
  if client then
    client:exec_cmd({ title = command, command = command, arguments = arguments }, nil, handler)
  end
end

-- The document, and the lines of a command's range.
local function selected(args)
  local last = { line = args.line2, character = 0 }
  return { vim.uri_from_bufnr(0), { start = { line = args.line1 - 1, character = 0 }, ['end'] = last } }
end

-- Shows an answer in a window of its own as it is written; closing the window stops it.
local function ask(command, arguments, handler)
  local client = vim.lsp.get_clients({ name = 'sned' })[1]
  if not client then
    return
  end
  vim.cmd('botright new')
  local buffer = vim.api.nvim_get_current_buf()
  vim.bo[buffer].buftype, vim.bo[buffer].bufhidden, vim.bo[buffer].filetype = 'nofile', 'wipe', 'markdown'
  vim.cmd.wincmd('p')
  local token = ('sned-answer-%d'):format(buffer)
  answers[token] = buffer
  vim.api.nvim_create_autocmd('BufWipeout', {
    buffer = buffer,
    callback = function()
      if answers[token] then
        client:notify('window/workDoneProgress/cancel', { token = token })
      end
    end,
  })
  local params = { command = command, arguments = arguments, workDoneToken = token }
  client:request('workspace/executeCommand', params, function(_, answer)
    answers[token] = nil
    if answer and answer ~= vim.NIL and handler then
      handler(answer)
    end
  end)
end

-- In Neovim 0.12 the ghost text, in 0.11 the completion menu, is asked for anew, and then has the other suggestion.
local function next_suggestion()
  local client = vim.lsp.get_clients({ name = 'sned' })[1]
  if not client then
    return
  end
  local place = vim.lsp.util.make_position_params(0, client.offset_encoding)
  execute('sned.next', { place.textDocument.uri, place.position }, function(_, found)
    if not found or found == vim.NIL then
      return -- the status says why
    elseif vim.lsp.inline_completion then
      vim.lsp.inline_completion.enable(false)
      vim.lsp.inline_completion.enable(true)
    elseif vim.fn.mode() == 'i' then
      vim.lsp.completion.get()
    end
  end)
end
vim.api.nvim_create_user_command('SnedNext', next_suggestion, { desc = 'Show another suggestion' })
vim.keymap.set('i', '<M-n>', next_suggestion, { desc = 'Show another suggestion' })
vim.api.nvim_create_user_command('SnedExplain', function(args)
  ask('sned.explain', selected(args))
end, { range = true, desc = 'Explain the lines' })
vim.api.nvim_create_user_command('SnedEdit', function(args)
  execute('sned.edit', vim.list_extend(selected(args), { args.args }))
end, { range = true, nargs = '+', desc = 'Rewrite the lines by an instruction, after asking' })

local chats = {} -- what was said, by document
vim.api.nvim_create_user_command('SnedChat', function(args)
  local arguments = selected(args)
  local document = arguments[1]
  local earlier = args.bang and chats[document] or {}
  ask('sned.chat', vim.list_extend(arguments, { args.args, earlier }), function(answer)
    local said = { { role = 'user', text = args.args }, { role = 'assistant', text = answer.text } }
    chats[document] = vim.list_extend(vim.list_slice(earlier), said)
  end)
end, { range = true, nargs = '+', bang = true, desc = 'Ask about the lines; with ! after the last answer' })
vim.api.nvim_create_user_command('SnedFetch', function()
  execute('sned.fetch', {})
end, { desc = 'Fetch the base model' })
vim.api.nvim_create_user_command('SnedBuild', function()
  execute('sned.build', { vim.uri_from_bufnr(0) })
end, { desc = "Build the sub-model of this file's project and language" })

if vim.lsp.inline_completion then -- Neovim 0.12: ghost text, accepted with <Tab>
  vim.lsp.inline_completion.enable()
  vim.keymap.set('i', '<Tab>', function()
    if not vim.lsp.inline_completion.get() then
      return '<Tab>'
    end
  end, { expr = true, desc = 'Accept the suggestion' })
else -- Neovim 0.11: an entry of the completion menu, asked for with <C-Space> as well
  vim.opt.completeopt:append({ 'menuone', 'noinsert' })
  vim.api.nvim_create_autocmd('LspAttach', {
    callback = function(args)
      local client = vim.lsp.get_client_by_id(args.data.client_id)
      if client and client.name == 'sned' then
        vim.lsp.completion.enable(true, client.id, args.buf, { autotrigger = true })
        for _, key in ipairs({ '<C-Space>', '<C-@>' }) do -- many terminals send the second for the first
          vim.keymap.set('i', key, vim.lsp.completion.get, { buffer = args.buf, desc = 'Ask for a suggestion' })
        end
      end
    end,
  })
end
