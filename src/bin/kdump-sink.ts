import { launch } from '../cli/launch.js'

launch(import('../sinks/kdump-sink.js'))
